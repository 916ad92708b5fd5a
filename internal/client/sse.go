package client

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// message is one server-sent event.
type message struct {
	// id is empty when the message has none.
	id    string
	event string
	data  string
}

// longestLine bounds what one line of a stream may hold.
const longestLine = 1 << 20

// messages reads a stream until it ends, which is an error like any other.
type messages struct {
	lines *bufio.Scanner
	// heard is called for every line, comments included.
	heard func()
	// retry is how long the server asks to wait before coming back; 0 until it
	// says so.
	retry time.Duration
}

func readMessages(stream io.Reader, heard func()) *messages {
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, longestLine)
	return &messages{lines: lines, heard: heard}
}

// next returns the next message that holds data.
func (m *messages) next() (message, error) {
	var msg message
	var data []string
	for m.lines.Scan() {
		m.heard()
		line := m.lines.Text()
		if line == "" {
			if data == nil {
				msg = message{}
				continue
			}
			msg.data = strings.Join(data, "\n")
			return msg, nil
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			msg.id = value
		case "event":
			msg.event = value
		case "data":
			data = append(data, value)
		case "retry":
			if ms, err := strconv.ParseUint(value, 10, 31); err == nil {
				m.retry = time.Duration(ms) * time.Millisecond
			}
		}
	}
	if err := m.lines.Err(); err != nil {
		return message{}, fmt.Errorf("reading the stream: %w", err)
	}
	return message{}, io.ErrUnexpectedEOF // a run's stream ends with a message
}
