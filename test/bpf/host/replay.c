// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Replays what a Node.js program did on one connection through bpf/node, built for this host: `replay RECORDING SEED CUTS [BUDGET]`.
 *
 * A recording has a line for each event: `W HEX...`, a write of pieces; `R HEX`, a read; `E ERRNO`, a read that failed; `C`, the close; `O`
 * in the first line, a connection that the probes saw begin; `P MILLISECONDS`, a pause. It is replayed as it is, and its spans and counters
 * are printed. Then it is replayed CUTS times with its reads cut anew at random places, and after that with the pieces of its writes cut
 * anew. A difference is printed, and the exit code is 1. BUDGET: how many spans can be open at the same time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

/* maps.c: headers of BPF programs and of libc define the same types. */
extern const u32 head_bytes, head_kind_at, head_flags_at, config_bytes, config_probes_at, config_stream_base_at, config_max_statement_at,
	config_max_target_at, counters_end;
void host_maps(void);
void host_hit(u64 first, u64 second, u64 third);

#define ROLE_CLIENT 2
#define ROLE_PG 3

static void fail(const char *what)
{
	fprintf(stderr, "replay: %s\n", what);
	exit(2);
}

/* Maps. A map's entries are in a list for each hash of a key. */

#define BUCKETS 4096
#define MAPS 32

struct entry {
	struct entry *next;
	u8 bytes[];
};

struct map {
	void *id;
	const char *name;
	u32 key_bytes, value_bytes, max, used;
	int is_array;
	u8 *values;
	struct entry *buckets[BUCKETS];
};

static struct map maps[MAPS];
static int map_count;

void host_map(void *id, const char *name, u32 key_bytes, u32 value_bytes, u32 entries, int is_array)
{
	struct map *map = &maps[map_count++];

	*map = (struct map){ .id = id, .name = name, .key_bytes = key_bytes, .value_bytes = value_bytes, .max = entries, .is_array = is_array };
	if (is_array)
		map->values = calloc(entries, value_bytes);
}

static struct map *map_of(void *id)
{
	for (int i = 0; i < map_count; i++)
		if (maps[i].id == id)
			return &maps[i];
	fail("a map that is not in maps.c");
	return 0;
}

static struct map *map_named(const char *name)
{
	for (int i = 0; i < map_count; i++)
		if (strcmp(maps[i].name, name) == 0)
			return &maps[i];
	fail(name);
	return 0;
}

static struct entry **place_of(struct map *map, const void *key)
{
	u32 hash = 2166136261u;
	struct entry **at;

	for (u32 i = 0; i < map->key_bytes; i++)
		hash = (hash ^ ((const u8 *)key)[i]) * 16777619u;
	for (at = &map->buckets[hash % BUCKETS]; *at; at = &(*at)->next)
		if (memcmp((*at)->bytes, key, map->key_bytes) == 0)
			break;
	return at;
}

void *bpf_map_lookup_elem(void *id, const void *key)
{
	struct map *map = map_of(id);
	struct entry *entry;

	if (map->is_array)
		return *(u32 *)key < map->max ? map->values + (u64)*(u32 *)key * map->value_bytes : 0;
	entry = *place_of(map, key);
	return entry ? entry->bytes + map->key_bytes : 0;
}

long bpf_map_update_elem(void *id, const void *key, const void *value, u64 flags)
{
	struct map *map = map_of(id);
	struct entry **at;

	(void)flags;
	if (map->is_array)
		fail("an update of an array");
	at = place_of(map, key);
	if (!*at) {
		if (map->used == map->max)
			return -E2BIG;
		map->used++;
		/* Values are on 8-byte boundaries, because all keys are multiples of 8 bytes but those of `targets`. */
		*at = calloc(1, sizeof(struct entry) + map->key_bytes + map->value_bytes);
		memcpy((*at)->bytes, key, map->key_bytes);
	}
	memcpy((*at)->bytes + map->key_bytes, value, map->value_bytes);
	return 0;
}

/* Memory of an entry can be used until the end of the program, as in the kernel. */
static struct entry *removed;

long bpf_map_delete_elem(void *id, const void *key)
{
	struct map *map = map_of(id);
	struct entry **at = place_of(map, key), *entry = *at;

	if (!entry)
		return -ENOENT;
	*at = entry->next;
	entry->next = removed;
	removed = entry;
	map->used--;
	return 0;
}

static void free_removed(void)
{
	while (removed) {
		struct entry *next = removed->next;

		free(removed);
		removed = next;
	}
}

static void clear_maps(void)
{
	for (int i = 0; i < map_count; i++) {
		struct map *map = &maps[i];

		if (map->is_array) {
			memset(map->values, 0, (u64)map->max * map->value_bytes);
			continue;
		}
		for (int k = 0; map->used && k < BUCKETS; k++)
			while (map->buckets[k]) {
				struct entry *next = map->buckets[k]->next;

				free(map->buckets[k]);
				map->buckets[k] = next;
				map->used--;
			}
	}
}

/* Memory of the process: ranges of the current hit. Nothing else can be read. */

struct range {
	const u8 *at;
	u64 len;
};

#define RANGES 4096
static struct range ranges[RANGES];
static int range_count;

static void allow(const void *at, u64 len)
{
	if (range_count == RANGES)
		fail("too many pieces");
	ranges[range_count++] = (struct range){ at, len };
}

static int may_read(const u8 *from, u64 bytes)
{
	for (int i = 0; i < range_count; i++)
		if (from >= ranges[i].at && bytes <= ranges[i].len && (u64)(from - ranges[i].at) <= ranges[i].len - bytes)
			return 1;
	return 0;
}

long bpf_probe_read_user(void *to, u32 bytes, const void *from)
{
	if (!may_read(from, bytes)) {
		memset(to, 0, bytes);
		return -EFAULT;
	}
	memcpy(to, from, bytes);
	return 0;
}

long bpf_probe_read_user_str(void *to, u32 size, const void *from)
{
	const u8 *text = from;
	u8 *out = to;

	memset(to, 0, size);
	for (u32 i = 0; i < size; i++) {
		if (!may_read(text + i, 1)) {
			memset(to, 0, size);
			return -EFAULT;
		}
		out[i] = text[i];
		if (!text[i])
			return i + 1;
	}
	if (size)
		out[size - 1] = 0;
	return size;
}

long bpf_probe_read_kernel(void *to, u32 bytes, const void *from)
{
	memcpy(to, from, bytes);
	return 0;
}

/* The rest of the kernel. */

static u64 now_ns, moment;

u64 bpf_ktime_get_ns(void)
{
	return ++now_ns;
}

u64 bpf_get_current_pid_tgid(void)
{
	return 77ull << 32 | 77;
}

u32 bpf_get_prandom_u32(void)
{
	return 4;
}

u32 bpf_get_smp_processor_id(void)
{
	return 0;
}

u64 bpf_get_attach_cookie(void *ctx)
{
	(void)ctx;
	return moment;
}

u64 bpf_ringbuf_query(void *ring, u64 what)
{
	(void)ring, (void)what;
	return 0;
}

long host_loop(u32 turns, long (*turn)(u32, void *), void *context)
{
	u32 i;

	for (i = 0; i < turns && !turn(i, context); i++)
		;
	return i;
}

/* Spans, as text. */

struct text {
	char *bytes;
	u64 len, room;
};

static void put(struct text *text, const char *bytes, u64 len)
{
	if (text->len + len + 1 > text->room) {
		text->room = 2 * (text->len + len + 1);
		text->bytes = realloc(text->bytes, text->room);
	}
	memcpy(text->bytes + text->len, bytes, len);
	text->len += len;
	text->bytes[text->len] = 0;
}

static struct text output;
static int texts_matter = 1;

/* `span KIND FLAGS`, then ` FIELD[!MARKS]=HEX` in the order of the fields. */
long bpf_ringbuf_output(void *ring, void *record, u64 bytes, u64 flags)
{
	static char line[65536];
	const u8 *at = record, *end = at + bytes, *field[32] = { 0 };
	const u8 *head = record;
	int len;

	(void)ring, (void)flags;
	len = sprintf(line, "span %u %u", *(u16 *)(head + head_kind_at), *(u32 *)(head + head_flags_at));
	for (at += head_bytes; at < end; at += 4 + ((*(u16 *)(at + 2) + 3) & ~3))
		field[at[0] & 31] = at;
	for (int i = 0; i < 32; i++) {
		if (!field[i])
			continue;
		if (!texts_matter && i == 0)
			continue;
		len += sprintf(line + len, " %d", i);
		if (field[i][1])
			len += sprintf(line + len, "!%d", field[i][1]);
		line[len++] = '=';
		for (int k = 0; k < *(u16 *)(field[i] + 2); k++)
			len += sprintf(line + len, "%02x", field[i][4 + k]);
	}
	line[len++] = '\n';
	put(&output, line, len);
	return 0;
}

/* Recordings. */

struct piece {
	u8 *bytes;
	u32 len;
};

struct event {
	char kind;
	long number;
	u32 count;
	struct piece *pieces;
};

static struct event *events;
static u32 event_count;

static u32 digit(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

static void read_recording(const char *path)
{
	FILE *file = fopen(path, "r");
	char *line = 0;
	size_t room = 0;
	ssize_t len;

	if (!file)
		fail(path);
	while ((len = getline(&line, &room, file)) > 0) {
		struct event event = { .kind = line[0] };

		if (line[len - 1] == '\n')
			line[--len] = 0;
		if (event.kind == 'E' || event.kind == 'P')
			event.number = atol(line + 1);
		if (event.kind == 'W' || event.kind == 'R')
			for (char *at = strtok(line + 1, " "); at; at = strtok(0, " ")) {
				struct piece piece = { .bytes = malloc(strlen(at) / 2 + 1), .len = strlen(at) / 2 };

				for (u32 i = 0; i < piece.len; i++)
					piece.bytes[i] = digit(at[2 * i]) << 4 | digit(at[2 * i + 1]);
				event.pieces = realloc(event.pieces, (event.count + 1) * sizeof(piece));
				event.pieces[event.count++] = piece;
			}
		events = realloc(events, (event_count + 1) * sizeof(event));
		events[event_count++] = event;
	}
	free(line);
	fclose(file);
}

/* Objects of Node.js, as far as the programs read them. */

struct node_handle {
	u64 data, loop;
	u32 type, reserved;
};

static struct {
	u64 before[16];
	u64 stream_base[4];
} wrap;
static struct node_handle handle;
static u64 listener[2];
static struct {
	u16 family, port;
	u32 address;
	u64 zero;
} server = { 2, 0x3930, 0x0100007f, 0 };

#define MOMENT_WRITE 1
#define MOMENT_READ 3
#define MOMENT_CLOSE 4
#define MOMENT_CONNECT 5

static void hit(u64 at_moment, u64 first, u64 second, u64 third)
{
	moment = at_moment;
	allow(&wrap, sizeof(wrap));
	allow(&handle, sizeof(handle));
	allow(listener, sizeof(listener));
	allow(&server, sizeof(server));
	host_hit(first, second, third);
	free_removed();
	range_count = 0;
	now_ns += 1000000;
}

#define FOREIGN "behind this piece lies what belongs to somebody else ........................................"
#define FOREIGN_BYTES 64

/* A copy that ends where memory does that is not part of the piece. */
static u8 *lay(const u8 *bytes, u32 len)
{
	u8 *copy = malloc(len + FOREIGN_BYTES);

	memcpy(copy, bytes, len);
	memcpy(copy + len, FOREIGN, FOREIGN_BYTES);
	allow(copy, len + FOREIGN_BYTES);
	return copy;
}

static void write_pieces(const struct piece *pieces, u32 count)
{
	u64 *bufs = malloc(count * 16 + 16);

	for (u32 i = 0; i < count; i++) {
		bufs[2 * i] = (u64)lay(pieces[i].bytes, pieces[i].len);
		bufs[2 * i + 1] = pieces[i].len;
	}
	allow(bufs, count * 16);
	hit(MOMENT_WRITE, (u64)&handle, (u64)bufs, count);
	for (u32 i = 0; i < count; i++)
		free((void *)bufs[2 * i]);
	free(bufs);
}

static void read_bytes(const u8 *bytes, u32 len)
{
	u8 *copy = lay(bytes, len);
	u64 buf[2] = { (u64)copy, 65536 };

	allow(buf, sizeof(buf));
	hit(MOMENT_READ, (u64)listener, len, (u64)buf);
	free(copy);
}

/* How what was read and written is cut. */
enum { AS_RECORDED, READS, WRITES };
static u64 random_state;

static u32 below(u32 limit)
{
	u64 mixed = random_state += 0x9e3779b97f4a7c15ull;

	mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9ull;
	mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebull;
	return (mixed ^ mixed >> 31) % limit;
}

#define MAX_CUT_PIECES 200

/* The pieces' bytes anew: all single bytes, a few cuts, or cuts close to each other. */
static struct piece *recut(const struct piece *pieces, u32 count, u32 *new_count, u8 **all)
{
	struct piece *cut = malloc((MAX_CUT_PIECES + 1) * sizeof(*cut));
	u32 len = 0, at = 0, step;

	for (u32 i = 0; i < count; i++)
		len += pieces[i].len;
	*all = malloc(len + 1);
	for (u32 i = 0; i < count; i++) {
		memcpy(*all + at, pieces[i].bytes, pieces[i].len);
		at += pieces[i].len;
	}
	step = 1 + below(below(3) ? 12 : len + 1);
	*new_count = 0;
	for (at = 0; at < len;) {
		u32 bytes = below(8) ? 1 + below(step) : 1 + below(len);

		if (bytes > len - at || *new_count == MAX_CUT_PIECES)
			bytes = len - at;
		cut[(*new_count)++] = (struct piece){ *all + at, bytes };
		at += bytes;
	}
	return cut;
}

static int begins_request(const struct piece *piece)
{
	return piece->len > 16 && memmem(piece->bytes, piece->len, " HTTP/1.1\r\n", 11) != 0;
}

static void begin(void)
{
	u16 *probes;
	u8 *config;

	clear_maps();
	now_ns = 1000000000;
	output.len = 0;
	handle = (struct node_handle){ .data = (u64)&wrap, .type = 12 };
	listener[1] = (u64)wrap.stream_base;
	for (u32 i = 0; i < 3; i++) {
		config = map_named("node_configs")->values + i * config_bytes;
		memset(config, 0, config_bytes);
		*(u32 *)(config + config_max_statement_at) = 2047;
		*(u32 *)(config + config_max_target_at) = 1024;
		probes = (u16 *)(config + config_probes_at);
		for (u32 k = 0; k < 8; k++)
			probes[k] = 0xffff;
		probes[ROLE_CLIENT] = 1;
		probes[ROLE_PG] = 2;
		*(u16 *)(config + config_stream_base_at) = (u8 *)wrap.stream_base - (u8 *)&wrap;
	}
}

static void put_counter(u32 number)
{
	char line[64];
	u64 value = *(u64 *)(map_named("counters")->values + 8 * number);

	if (value)
		put(&output, line, sprintf(line, "counter %u %llu\n", number, (unsigned long long)value));
}

static void replay(int how)
{
	u32 written = 0;

	begin();
	for (u32 i = 0; i < event_count; i++) {
		const struct event *event = &events[i];
		u32 count = event->count, joined = i + 1;
		struct piece *pieces = event->pieces, *cut = 0;
		u8 *all = 0;

		switch (event->kind) {
		case 'O':
			hit(MOMENT_CONNECT, 0, (u64)&handle, (u64)&server);
			break;
		case 'P':
			now_ns += event->number * 1000000ull;
			break;
		case 'W':
			/*
			 * A client sends its first message, by which the protocol is known, in one piece. Node.js writes a request's head in
			 * one piece.
			 */
			if (how == WRITES && written++ && !begins_request(pieces))
				pieces = cut = recut(pieces, count, &count, &all);
			write_pieces(pieces, count);
			break;
		case 'R':
			if (how == READS) {
				struct piece *run = 0;
				u32 run_count = 0;

				for (joined = i; joined < event_count && events[joined].kind == 'R'; joined++) {
					run = realloc(run, (run_count + 1) * sizeof(*run));
					run[run_count++] = events[joined].pieces[0];
				}
				pieces = cut = recut(run, run_count, &count, &all);
				free(run);
				i = joined - 1;
			}
			for (u32 k = 0; k < count; k++)
				read_bytes(pieces[k].bytes, pieces[k].len);
			break;
		case 'E':
			hit(MOMENT_READ, (u64)listener, -event->number, 0);
			break;
		case 'C':
			hit(MOMENT_CLOSE, (u64)&handle, 0, 0);
			break;
		}
		free(cut);
		free(all);
	}
	for (u32 i = 0; i < counters_end; i++)
		put_counter(i);
	{
		char line[64];

		put(&output, line, sprintf(line, "entries %u\n", map_named("node_pg_in_flight")->used +
			map_named("node_http_client_in_flight")->used + map_named("node_long_fields")->used));
	}
}

int main(int count, char **arguments)
{
	u64 seed, cuts;
	char *expected;

	if (count < 4)
		fail("replay RECORDING SEED CUTS [BUDGET]");
	read_recording(arguments[1]);
	seed = strtoull(arguments[2], 0, 10);
	cuts = strtoull(arguments[3], 0, 10);
	host_maps();
	if (count > 4) {
		map_named("node_pg_in_flight")->max = atoi(arguments[4]);
		map_named("node_http_client_in_flight")->max = atoi(arguments[4]);
	}
	replay(AS_RECORDED);
	fputs(output.bytes, stdout);
	for (int how = READS; how <= WRITES; how++) {
		texts_matter = how == READS;
		replay(AS_RECORDED);
		expected = strdup(output.bytes);
		for (u64 i = 0; i < cuts; i++) {
			random_state = seed + i;
			replay(how);
			if (strcmp(output.bytes, expected) != 0) {
				fprintf(stderr, "with %s cut by seed %llu:\n%sinstead of:\n%s", how == READS ? "reads" : "writes",
					(unsigned long long)(seed + i), output.bytes, expected);
				return 1;
			}
		}
		free(expected);
	}
	return 0;
}
