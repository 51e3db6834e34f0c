// A function in C that speaks NDJSON: one JSON object a line, on stdin and stdout. It answers with the event that it got.
// Build it with `cc -O2 -o serve main.c`. A library for JSON would read the fields; here the line is cut where they are.
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void invoke(char *line) {
  char *id = strstr(line, "\"id\":");
  char *event = strstr(line, ",\"event\":");
  char *end = strrchr(line, '}');
  if (!id || !event || !end) return;
  *end = '\0';
  long number = strtol(id + 5, NULL, 10);
  printf("{\"type\":\"log\",\"id\":%ld,\"message\":\"hello from C\"}\n", number);
  printf("{\"type\":\"result\",\"id\":%ld,\"result\":{\"language\":\"C\",\"event\":%s}}\n", number, event + 9);
  fflush(stdout);
}

int main(void) {
  char *line = NULL;
  size_t size = 0;
  puts("{\"type\":\"ready\"}");
  fflush(stdout);
  while (getline(&line, &size, stdin) != -1)
    if (strncmp(line, "{\"type\":\"invoke\",", 17) == 0) invoke(line);
  free(line);
  return 0;
}
