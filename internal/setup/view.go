package setup

import (
	"encoding/json"
	"strings"

	"regrow/internal/octopus"
)

// values are what settings are compared with: those of a document.
type values interface {
	Value(pointer string) (value json.RawMessage, found bool, err error)
}

// view is a document of which many values are read. It keeps the objects and
// lists on the way, because finding one in the whole document takes reading all
// of that.
type view struct {
	document octopus.Document
	// known are the values that others were looked for in; nil is an absent one.
	known map[string]json.RawMessage
}

func (v view) Value(pointer string) (value json.RawMessage, found bool, err error) {
	slash := strings.LastIndexByte(pointer, '/')
	if slash <= 0 {
		return v.document.Value(pointer)
	}
	outer, err := v.container(pointer[:slash])
	if err != nil || outer == nil {
		return nil, false, err
	}
	return octopus.Document(outer).Value(pointer[slash:])
}

func (v view) container(pointer string) (json.RawMessage, error) {
	value, known := v.known[pointer]
	if known {
		return value, nil
	}
	value, _, err := v.Value(pointer)
	if err == nil {
		v.known[pointer] = value
	}
	return value, err
}
