package simulator

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
)

const (
	masked        = "********"
	maxLines      = 10_000
	maxLineLength = 16 << 10
	errorLines    = 5 // of the end of stderr, to say why a script failed
)

// transcript follows what a script says: lines go to the task's log without the sensitive values
// in them, and service messages are obeyed instead of shown.
type transcript struct {
	say     func(line string)
	publish func(name, value string, hidden bool) // of an output variable

	mu      sync.Mutex
	secrets []string
	masker  *strings.Replacer
	lines   int
	errors  []string // the last of stderr
	streams []*lineWriter
}

func newTranscript(secrets []string, say func(string), publish func(name, value string, hidden bool)) *transcript {
	t := &transcript{say: say, publish: publish}
	t.hide(secrets...)
	return t
}

// hide adds sensitive values. Output comes line by line, so each line of a value is one to mask.
func (t *transcript) hide(secrets ...string) {
	for _, secret := range secrets {
		for line := range strings.Lines(secret) {
			if line = strings.TrimRight(line, "\r\n"); strings.TrimSpace(line) != "" {
				t.secrets = append(t.secrets, line)
			}
		}
	}
	slices.SortFunc(t.secrets, func(a, b string) int { return cmp.Compare(len(b), len(a)) }) // the longer first: it may hold the shorter
	pairs := make([]string, 0, 2*len(t.secrets))
	for _, secret := range t.secrets {
		pairs = append(pairs, secret, masked)
	}
	t.masker = strings.NewReplacer(pairs...)
}

// mask is a text without sensitive values.
func (t *transcript) mask(text string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.masker.Replace(text)
}

// stream is where one of the script's two outputs goes.
func (t *transcript) stream(isError bool) io.Writer {
	w := &lineWriter{line: func(text string) { t.line(text, isError) }}
	t.streams = append(t.streams, w)
	return w
}

// close takes in last lines that have no end. The script must have ended.
func (t *transcript) close() {
	for _, w := range t.streams {
		w.flush()
	}
}

func (t *transcript) line(text string, isError bool) {
	if strings.HasPrefix(text, "##octopus[") {
		t.obey(text)
		return
	}
	t.mu.Lock()
	text = t.masker.Replace(text)
	t.lines++
	lines := t.lines
	if isError && strings.TrimSpace(text) != "" {
		t.errors = append(t.errors, text)
		t.errors = t.errors[max(0, len(t.errors)-errorLines):]
	}
	t.mu.Unlock()
	switch {
	case lines < maxLines:
		t.say(text)
	case lines == maxLines:
		t.say("The script says too much: the rest is left out.")
	}
}

// lastErrors is the end of stderr in one line. It is masked again, because the two outputs may
// overtake each other, and with them the message that a value is sensitive.
func (t *transcript) lastErrors() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.masker.Replace(strings.Join(t.errors, "; "))
}

// attribute is a part of a service message, such as name='Y2F0'.
var attribute = regexp.MustCompile(`(\w+)='([^']*)'`)

// obey does what a service message wants. The only one with an effect here sets an output variable.
func (t *transcript) obey(message string) {
	if !strings.HasPrefix(message, "##octopus[setVariable ") {
		return
	}
	values := map[string]string{}
	for _, found := range attribute.FindAllStringSubmatch(message, -1) {
		if text, err := base64.StdEncoding.DecodeString(found[2]); err == nil {
			values[found[1]] = string(text)
		}
	}
	if values["name"] == "" {
		return
	}
	hidden := strings.EqualFold(values["sensitive"], "True")
	if hidden {
		t.mu.Lock()
		t.hide(values["value"])
		t.mu.Unlock()
	}
	t.publish(values["name"], values["value"], hidden)
}

// lineWriter cuts a stream into lines.
type lineWriter struct {
	line    func(string)
	pending []byte
}

func (w *lineWriter) Write(data []byte) (int, error) {
	w.pending = append(w.pending, data...)
	for {
		end := bytes.IndexByte(w.pending, '\n')
		switch {
		case end >= 0:
			w.line(strings.TrimSuffix(string(w.pending[:end]), "\r"))
			w.pending = w.pending[end+1:]
		case len(w.pending) > maxLineLength:
			w.flush()
			return len(data), nil
		default:
			return len(data), nil
		}
	}
}

func (w *lineWriter) flush() {
	if len(w.pending) > 0 {
		w.line(string(w.pending))
		w.pending = nil
	}
}
