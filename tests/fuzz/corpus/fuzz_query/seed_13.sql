SELECT * FROM (SELECT i AS "A b", E'\n' FROM x) AS s WHERE "A b" = 6 -- c
