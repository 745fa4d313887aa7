/*
 * segcat.c - prints the rows of a segment file, written from FORMAT.md alone.
 */
int main(void)
{
    return 2;
}
