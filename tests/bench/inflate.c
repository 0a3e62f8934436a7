/* How fast libnghttp2's inflater reads header blocks: inflate FILE ROUNDS prints seconds a round, the median.
 *
 * FILE: records of direction (32 bits), length (32 bits, both in host order) and block, in order. */
#include <nghttp2/nghttp2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_DIRECTIONS 4096

static int read_block(nghttp2_hd_inflater *inflater, const uint8_t *block, size_t length)
{
	for (;;) {
		nghttp2_nv field;
		int flags = 0;
		ssize_t taken = nghttp2_hd_inflate_hd2(inflater, &field, &flags, block, length, 1);
		if (taken < 0)
			return -1;
		block += taken;
		length -= (size_t)taken;
		if (flags & NGHTTP2_HD_INFLATE_FINAL)
			return nghttp2_hd_inflate_end_headers(inflater);
		if (!(flags & NGHTTP2_HD_INFLATE_EMIT) && !length)
			return -1;
	}
}

static double read_all(const uint8_t *octets, size_t size)
{
	static nghttp2_hd_inflater *inflaters[MAX_DIRECTIONS];
	struct timespec began, ended;
	uint32_t head[2];
	for (int i = 0; i < MAX_DIRECTIONS; i++)
		inflaters[i] = NULL;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &began);
	for (size_t at = 0; at < size; at += sizeof(head) + head[1]) {
		memcpy(head, octets + at, sizeof(head));
		if (head[0] >= MAX_DIRECTIONS)
			return -1;
		if (!inflaters[head[0]] && nghttp2_hd_inflate_new(&inflaters[head[0]]))
			return -1;
		if (read_block(inflaters[head[0]], octets + at + sizeof(head), head[1]))
			return -1;
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended);
	for (int i = 0; i < MAX_DIRECTIONS; i++)
		if (inflaters[i])
			nghttp2_hd_inflate_del(inflaters[i]);
	return (double)(ended.tv_sec - began.tv_sec) + (double)(ended.tv_nsec - began.tv_nsec) * 1e-9;
}

static int compare(const void *one, const void *other)
{
	double difference = *(const double *)one - *(const double *)other;
	return (difference > 0) - (difference < 0);
}

int main(int count, char **arguments)
{
	FILE *file = count == 3 ? fopen(arguments[1], "rb") : NULL;
	int rounds = count == 3 ? atoi(arguments[2]) : 0;
	if (!file || rounds < 1 || rounds > 1000)
		return 2;
	fseek(file, 0, SEEK_END);
	long size = ftell(file);
	rewind(file);
	uint8_t *octets = malloc(size > 0 ? (size_t)size : 1);
	double *seconds = calloc((size_t)rounds, sizeof(double));
	if (!octets || !seconds || fread(octets, 1, (size_t)size, file) != (size_t)size)
		return 2;
	for (int i = 0; i < rounds; i++)
		if ((seconds[i] = read_all(octets, (size_t)size)) < 0)
			return 1;
	qsort(seconds, (size_t)rounds, sizeof(double), compare);
	printf("%.9f\n", seconds[rounds / 2]);
	free(seconds);
	free(octets);
	fclose(file);
	return 0;
}
