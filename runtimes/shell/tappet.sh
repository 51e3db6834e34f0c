# Functions of Tappet as shell scripts (runtime 'script'), for any POSIX shell:
#
#     . "$TAPPET_SHELL"
#     event=$(cat)
#     tappet_log info "attempt $TAPPET_ATTEMPT"
#     tappet_send mail '{"to":"a@b.co"}'
#     echo '{"done":true}'
#
# Messages go to descriptor 3; docs/languages.md describes them.

# A text as JSON, quotes included.
tappet_json() {
  printf '%s' "$1" | LC_ALL=C awk '
    BEGIN {
      for (i = 1; i < 32; i++) escaped[sprintf("%c", i)] = sprintf("\\u%04x", i)
      escaped["\""] = "\\\""
      escaped["\\"] = "\\\\"
      printf "\""
    }
    NR > 1 { printf "\\n" }
    {
      for (i = 1; i <= length($0); i++) {
        c = substr($0, i, 1)
        printf "%s", (c in escaped) ? escaped[c] : c
      }
    }
    END { printf "\"" }'
}

# tappet_log LEVEL MESSAGE: debug, info, warn or error.
tappet_log() {
  printf '{"type":"log","level":"%s","message":%s}\n' "$1" "$(tappet_json "$2")" >&3
}

# tappet_send QUEUE JSON [KEY] [DELAY_MS]: the run only completes when the message is durable.
tappet_send() {
  printf '{"type":"send","queue":%s,"data":%s,"key":%s,"delayMs":%s}\n' \
    "$(tappet_json "$1")" "$(printf '%s' "$2" | tr '\n' ' ')" \
    "$(if [ -n "${3:-}" ]; then tappet_json "$3"; else printf null; fi)" "${4:-0}" >&3
}

# tappet_fail MESSAGE: fails, and is tried again.
tappet_fail() {
  printf '{"type":"error","error":{"message":%s}}\n' "$(tappet_json "$1")" >&3
  exit 1
}

# tappet_fatal MESSAGE: fails for good.
tappet_fatal() {
  printf '{"type":"error","error":{"name":"FatalError","message":%s,"retryable":false}}\n' "$(tappet_json "$1")" >&3
  exit 65
}

# tappet_retry_after MS MESSAGE: fails, and is not tried again before then.
tappet_retry_after() {
  printf '{"type":"error","error":{"name":"RetryAfterError","message":%s,"retryAfterMs":%s}}\n' \
    "$(tappet_json "$2")" "$1" >&3
  exit 1
}
