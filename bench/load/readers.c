/*
 * Many readers of server-sent events in one process: they count, look at the order, and time what arrives.
 *
 * It is compiled by Bun itself (`cc` of bun:ffi, which is TinyCC), so that no compiler is needed; hence the
 * prototypes by hand. A client in JavaScript takes more time per event than the servers it is to measure.
 *
 * The data of an event is `#<number> <microseconds> <length> xxx…`: its number among those of its topic, from 1
 * on; the time of its publish, since 1970; and its own length in bytes. So the rest of it need not be looked at.
 * Other data, comments, ids and names are read and passed over.
 */

typedef unsigned char byte;
typedef long long number;

/* In the kernel's form, which is packed on x86-64 only. */
struct
#ifdef __x86_64__
    __attribute__((packed))
#endif
    poll_event {
  unsigned events;
  unsigned long long index;
};
struct time { long seconds; long nanoseconds; };
struct linger { int on; int seconds; };

int socket(int, int, int);
int connect(int, const void *, unsigned);
int setsockopt(int, int, int, const void *, unsigned);
long send(int, const void *, unsigned long, int);
long recv(int, void *, unsigned long, int);
int close(int);
int epoll_create1(int);
int epoll_ctl(int, int, int, struct poll_event *);
int epoll_wait(int, struct poll_event *, int, int);
int clock_gettime(int, struct time *);
int *__errno_location(void);
void *memchr(const void *, int, unsigned long);
void *memmem(const void *, unsigned long, const void *, unsigned long);
void *memcpy(void *, const void *, unsigned long);
int memcmp(const void *, const void *, unsigned long);
void *malloc(unsigned long);
void *calloc(unsigned long, unsigned long);
void *realloc(void *, unsigned long);
void *memset(void *, int, unsigned long);

#define IN 1
#define OUT 4
#define NONBLOCKING 2048
#define STREAM 1
#define NO_SIGNAL 16384

/* `#0000000001 1700000000000000 000512 `, and the line that begins with it; the space before it may be absent. */
#define HEADER (1 + 10 + 1 + 16 + 1 + 6 + 1)
#define LINE (6 + HEADER)
#define LONGEST_HEAD 2048
/* Ages are counted in steps of 50 µs up to 50 s. */
#define STEP 50
#define STEPS 1000000

enum { HEAD, SIZE, BODY, AFTER, PLAIN };

struct reader {
  int fd;
  int http;
  int connected, asked, opened, held, paused, gone;
  /* Of the head of the response, then of the line of an event that came in parts. */
  int length;
  byte *text;
  byte *request;
  int request_length;
  number chunk;
  number skip;
  int in_data, in_line;
  number data_number, data_time;
  number last, events;
  double asked_at, first_at;
};

static struct reader **readers;
static int count, room, poller, opened, refused, gone;
static byte *buffer;
static number buffer_size = 256 * 1024;
static unsigned *ages;
static number events, bytes, lost, doubled, damaged;
static double last_at, now_at;
static int gaps;

static double now(void) {
  struct time time;
  clock_gettime(0, &time);
  return time.seconds * 1e6 + time.nanoseconds / 1e3;
}

/* Once. Gaps are no loss where a later event stands for the ones before it. */
void begin(int with_gaps) {
  gaps = with_gaps;
  poller = epoll_create1(0);
  buffer = malloc(buffer_size);
  ages = calloc(STEPS + 1, sizeof(unsigned));
}

static void watch(int index, int how, unsigned what) {
  struct poll_event event;
  event.events = what;
  event.index = index;
  epoll_ctl(poller, how, readers[index]->fd, &event);
}

/*
 * A reader of its own connection. `last` is the number of the event that it has, -1 for any. One that is held
 * connects and waits for `release`. `receive` is the kernel's buffer for it in bytes, 0 for the usual one.
 */
int add(const byte *request, int length, int port, double last, int held, int receive) {
  byte address[16] = {2, 0, port >> 8, port & 255, 127, 0, 0, 1};
  struct reader *reader = calloc(1, sizeof(struct reader));
  int one = 1;
  if (count == room) {
    room = room ? room * 2 : 1024;
    readers = realloc(readers, room * sizeof(struct reader *));
  }
  reader->fd = socket(2, STREAM | NONBLOCKING, 0);
  if (reader->fd < 0) return -1;
  reader->request = malloc(length);
  memcpy(reader->request, request, length);
  reader->request_length = length;
  reader->text = malloc(LONGEST_HEAD);
  reader->held = held;
  reader->last = last;
  setsockopt(reader->fd, 6, 1, &one, 4);
  if (receive) setsockopt(reader->fd, 1, 8, &receive, 4);
  readers[count] = reader;
  connect(reader->fd, address, 16);
  watch(count, 1, OUT);
  return count++;
}

static void ask(int index) {
  struct reader *reader = readers[index];
  reader->asked = 1;
  reader->asked_at = now();
  send(reader->fd, reader->request, reader->request_length, NO_SIGNAL);
  watch(index, 3, IN);
}

/* Lets those ask that are held. */
void release(void) {
  int i;
  for (i = 0; i < count; i++) {
    readers[i]->held = 0;
    if (readers[i]->connected && !readers[i]->asked) ask(i);
  }
}

static number digits(const byte *text, int length) {
  number value = 0;
  int i;
  for (i = 0; i < length; i++) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + text[i] - '0';
  }
  return value;
}

/* An event of ours is whole. */
static void take(struct reader *reader) {
  number n = reader->data_number;
  number age = (now_at - reader->data_time) / STEP;
  if (reader->last >= 0) {
    if (n <= reader->last) doubled++;
    else if (!gaps && n > reader->last + 1) lost += n - reader->last - 1;
  }
  if (n > reader->last) reader->last = n;
  if (!reader->events++) reader->first_at = now_at;
  events++;
  last_at = now_at;
  ages[age < 0 ? 0 : age > STEPS ? STEPS : age]++;
}

/* Takes the begin of a line of data that is one of ours; gives its length, or 0 for any other. */
static int take_header(struct reader *reader, const byte *text) {
  int begin = text[5] == ' ' ? 6 : 5;
  if (memcmp(text, "data:", 5) != 0 || text[begin] != '#') return 0;
  text += begin;
  reader->data_number = digits(text + 1, 10);
  reader->data_time = digits(text + 12, 16);
  reader->skip = digits(text + 29, 6) - HEADER;
  reader->in_data = reader->data_number >= 0 && reader->data_time >= 0 && reader->skip >= 0;
  if (!reader->in_data) reader->skip = 0, damaged++;
  return begin + HEADER;
}

/* The body of the response: lines. */
static void read_lines(struct reader *reader, const byte *at, number left) {
  while (left > 0) {
    const byte *end;
    number part;
    if (reader->skip > 0) {
      part = reader->skip < left ? reader->skip : left;
      reader->skip -= part;
      at += part;
      left -= part;
      continue;
    }
    if (reader->in_data) {
      if (*at == '\n') take(reader);
      else damaged++, reader->in_line = 1;
      reader->in_data = 0;
      if (*at == '\n') at++, left--;
      continue;
    }
    if (reader->in_line) {
      end = memchr(at, '\n', left);
      if (!end) return;
      reader->in_line = 0;
      left -= end + 1 - at;
      at = end + 1;
      continue;
    }
    if (reader->length == 0 && left >= LINE && *at == 'd') {
      part = take_header(reader, at);
      at += part;
      left -= part;
      reader->in_line = !reader->in_data;
      continue;
    }
    if (reader->length == 0 && *at != 'd') {
      reader->in_line = 1;
      continue;
    }
    /* A line of data in parts. */
    reader->text[reader->length++] = *at;
    left--;
    if (*at++ == '\n') reader->length = 0;
    else if (reader->length == LINE) {
      part = take_header(reader, reader->text);
      if (reader->in_data) reader->skip -= LINE - part;
      reader->in_line = !reader->in_data;
      reader->length = 0;
    }
  }
}

static void leave(int index) {
  struct reader *reader = readers[index];
  if (reader->gone) return;
  reader->gone = 1;
  gone++;
  if (!reader->opened) refused++;
  close(reader->fd);
}

/* The head of the response, up to its blank line; gives how much of the chunk was taken. */
static number read_head(int index, const byte *at, number size) {
  struct reader *reader = readers[index];
  number taken = 0;
  while (taken < size) {
    if (reader->length == LONGEST_HEAD) return leave(index), size;
    reader->text[reader->length++] = at[taken++];
    if (reader->length < 4 || memcmp(reader->text + reader->length - 4, "\r\n\r\n", 4) != 0) continue;
    if (memcmp(reader->text, "HTTP/1.1 200", 12) != 0) return leave(index), size;
    reader->http = memmem(reader->text, reader->length, "chunked", 7) ? SIZE : PLAIN;
    reader->length = 0;
    return taken;
  }
  return taken;
}

static void read_bytes(int index, const byte *at, number size) {
  struct reader *reader = readers[index];
  number part;
  while (size > 0 && !reader->gone) {
    if (reader->http == HEAD) {
      part = read_head(index, at, size);
    } else if (reader->http == PLAIN) {
      part = size;
      read_lines(reader, at, part);
    } else if (reader->http == SIZE) {
      byte c = *at;
      part = 1;
      if (c == '\n') {
        if (reader->chunk == 0) return leave(index);
        reader->http = BODY;
      } else if (c != '\r') {
        reader->chunk = reader->chunk * 16 + (c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
      }
    } else if (reader->http == BODY) {
      part = reader->chunk < size ? reader->chunk : size;
      read_lines(reader, at, part);
      reader->chunk -= part;
      if (reader->chunk == 0) reader->http = AFTER;
    } else {
      part = 1;
      if (*at == '\n') reader->http = SIZE;
    }
    if (!reader->opened && reader->http != HEAD && reader->http != SIZE) {
      reader->opened = 1;
      opened++;
    }
    at += part;
    size -= part;
  }
}

/* Reads so many bytes at most. */
static void take_from(int index, number most) {
  number size = recv(readers[index]->fd, buffer, most < buffer_size ? most : buffer_size, 0);
  if (size > 0) {
    bytes += size;
    now_at = now();
    read_bytes(index, buffer, size);
  } else if (size == 0 || *__errno_location() != 11) {
    leave(index);
  }
}

/* Reads for so many milliseconds, or until so many are open. */
void turn(int milliseconds, int until) {
  static struct poll_event ready[512];
  double end = now() + milliseconds * 1e3;
  for (;;) {
    double left = end - now();
    int found, i;
    if (left <= 0) return;
    found = epoll_wait(poller, ready, 512, (left + 999) / 1e3);
    for (i = 0; i < found; i++) {
      int index = ready[i].index;
      struct reader *reader = readers[index];
      if (reader->connected) {
        if (!reader->paused) take_from(index, buffer_size);
        continue;
      }
      if (ready[i].events & ~OUT) {
        leave(index);
        continue;
      }
      reader->connected = 1;
      watch(index, 3, 0);
      if (!reader->held) ask(index);
    }
    if (opened + refused >= until) return;
  }
}

/* How many are connected, whether they have asked or not. */
int connected(void) {
  int i, found = 0;
  for (i = 0; i < count; i++) found += readers[i]->connected;
  return found;
}

/* A paused reader takes only what it is told to take by `sip`. */
void hold(int index, int paused) {
  readers[index]->paused = paused;
  if (!readers[index]->gone) watch(index, 3, paused ? 0 : IN);
}

void sip(int index, int most) {
  if (!readers[index]->gone) take_from(index, most);
}

/* Leaves on its own account, which is not counted as gone. */
void cut(int index) {
  leave(index);
  gone--;
}

/* The age that a part of the events had at most, in ms. */
static double age_of(double part) {
  number all = 0, seen = 0;
  int i;
  for (i = 0; i <= STEPS; i++) all += ages[i];
  if (all == 0) return 0;
  for (i = 0; i <= STEPS; i++) {
    seen += ages[i];
    if (seen >= all * part) break;
  }
  return i * STEP / 1e3;
}

double counted(void) { return events; }

/* How many are open, were so, or were refused. */
int settled(void) { return opened + refused; }

/* What was counted, as named in `Told` of load.ts; the ages begin anew. */
void tell(double *out) {
  double values[12];
  values[0] = opened;
  values[1] = gone;
  values[2] = events;
  values[3] = bytes;
  values[4] = lost;
  values[5] = doubled;
  values[6] = damaged;
  values[7] = last_at;
  values[8] = age_of(0.5);
  values[9] = age_of(0.99);
  values[10] = age_of(1);
  memcpy(out, values, 11 * sizeof(double));
  memset(ages, 0, (STEPS + 1) * sizeof(unsigned));
}

/* Of each reader: events, number of the last, time from asking to its first event in ms (-1: none). */
void tell_each(double *out) {
  int i;
  for (i = 0; i < count; i++) {
    struct reader *reader = readers[i];
    out[i * 3] = reader->events;
    out[i * 3 + 1] = reader->last;
    out[i * 3 + 2] = reader->events ? (reader->first_at - reader->asked_at) / 1e3 : -1;
  }
}
