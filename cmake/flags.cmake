# flags.cmake - the strict warning set, hardening for release, sanitizers for tests.

include(CheckCCompilerFlag)
add_library(driftline_flags INTERFACE)
target_include_directories(driftline_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_definitions(driftline_flags INTERFACE _GNU_SOURCE DRIFTLINE_VERSION="${PROJECT_VERSION}")
target_compile_options(driftline_flags INTERFACE
    -Wall -Wextra -Wformat=2 -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
    -Wpointer-arith -Wcast-align -Wwrite-strings -Wvla -Wundef -Wimplicit-fallthrough
    -Wnull-dereference -Wdouble-promotion -Werror=format-security -fno-strict-aliasing -fno-common)

foreach(flag -Wlogical-op -Wduplicated-cond -Walloca -Wtrampolines -Wbidi-chars=any)
    string(MAKE_C_IDENTIFIER "HAVE${flag}" have)
    check_c_compiler_flag(${flag} ${have})
    if(${have})
        target_compile_options(driftline_flags INTERFACE ${flag})
    endif()
endforeach()

if(DRIFTLINE_WERROR)
    target_compile_options(driftline_flags INTERFACE -Werror)
endif()

# What a sanitizer inserts confuses the flow analysis of these two (GCC manual, -fsanitize); builds without one
# keep them as errors.
if(DRIFTLINE_SANITIZE AND DRIFTLINE_WERROR)
    target_compile_options(driftline_flags INTERFACE -Wno-error=null-dereference)
    check_c_compiler_flag(-Wno-error=maybe-uninitialized HAVE_MAYBE_UNINITIALIZED)
    if(HAVE_MAYBE_UNINITIALIZED AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
        target_compile_options(driftline_flags INTERFACE -Wno-error=maybe-uninitialized)
    endif()
endif()

if(DRIFTLINE_SANITIZE)
    target_compile_options(driftline_flags INTERFACE -fsanitize=${DRIFTLINE_SANITIZE} -fno-omit-frame-pointer
        -fno-sanitize-recover=all)
    target_link_options(driftline_flags INTERFACE -fsanitize=${DRIFTLINE_SANITIZE})
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_options(driftline_flags INTERFACE
        -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-clash-protection -fstack-protector-strong
        -fcf-protection=full -fPIE -fno-delete-null-pointer-checks -fno-strict-overflow)
    # "Written only on success" is how every function here hands results out; gcc's guess does not follow a status through -O3.
    # Sanitizers and clang watch for what it would find.
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
        target_compile_options(driftline_flags INTERFACE -Wno-maybe-uninitialized)
    endif()
    target_link_options(driftline_flags INTERFACE -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed)
endif()
