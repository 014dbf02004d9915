// Allocations of this process so far: calls of malloc, calloc, realloc and the aligned variants.
unsigned long count_malloc_calls(void);
