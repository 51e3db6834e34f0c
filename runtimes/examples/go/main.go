// A function in Go that speaks NDJSON: one JSON object a line, on stdin and stdout. It answers with the event that it got.
// Build it with `go build -o serve main.go`. It needs the standard library only.
package main

import (
	"bufio"
	"encoding/json"
	"os"
)

type message struct {
	Type    string          `json:"type"`
	ID      int64           `json:"id"`
	Attempt int             `json:"attempt"`
	Event   json.RawMessage `json:"event"`
}

type object map[string]any

func handle(event json.RawMessage) (any, error) {
	return object{"language": "Go", "event": event}, nil
}

func main() {
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	out.Encode(object{"type": "ready"})
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var said message
		if json.Unmarshal(line, &said) != nil || said.Type != "invoke" {
			continue
		}
		out.Encode(object{"type": "log", "id": said.ID, "message": "hello from Go"})
		result, failure := handle(said.Event)
		if failure != nil {
			out.Encode(object{"type": "error", "id": said.ID, "error": object{"message": failure.Error()}})
			continue
		}
		out.Encode(object{"type": "result", "id": said.ID, "result": result})
	}
}
