package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"unicode"

	"regrow/internal/webhook"
)

// weakSecret is the length below which a secret is easy to guess.
const weakSecret = 16

// secret reads a secret from key, or from the file that key_file names.
// Problems name the key, the variable or the file, and never what is in it.
func (o *object) secret(key, want string) Secret {
	s, _ := o.secretOrPublic(key, want, func(string) bool { return false })
	return s
}

// secretOrPublic is secret for a value that may also be free of secrets; public
// tells such a value, which may stand in the file as plain text. It returns the
// path of the key that the value came from.
func (o *object) secretOrPublic(key, want string, public func(string) bool) (Secret, string) {
	path := join(o.path, key)
	direct, fromFile := o.take(key), o.take(key+"_file")
	switch {
	case o.has(key) && o.has(key+"_file"):
		o.r.failAt(join(o.path, key+"_file"), "expected either %s or %s_file, got both; remove one", key, key)
	case direct != nil:
		return o.directSecret(direct, key, want, public), path
	case fromFile != nil:
		return o.secretFile(fromFile, key, want), path + "_file"
	case !o.has(key) && !o.has(key+"_file"):
		o.missing(key, fmt.Sprintf("%s: write %s: ${VARIABLE} or %s_file: FILE", want, key, key))
	}
	return Secret{}, path
}

func (o *object) directSecret(n *node, key, want string, public func(string) bool) Secret {
	path := join(o.path, key)
	s, ok := o.r.textAt(n, path, want)
	o.r.places[path] = place{at: n.at} // what is written here is never shown
	if !ok {
		return Secret{}
	}
	if len(s.variables) == 0 && s.value != "" && !public(s.value) {
		o.r.warnAt(path, "the secret stands in the file as plain text; write ${VARIABLE} or use %s_file", key)
	}
	return o.checkSecret(s.value, path, want, secretOrigin(s))
}

// secretOrigin names where an empty secret came from.
func secretOrigin(s scalar) string {
	switch len(s.variables) {
	case 0:
		return "the text"
	case 1:
		return "the environment variable " + s.variables[0]
	}
	return "each of the environment variables " + strings.Join(s.variables, ", ")
}

func (o *object) secretFile(n *node, key, want string) Secret {
	path := join(o.path, key+"_file")
	s, ok := o.r.textAt(n, path, "the name of a file")
	if !ok {
		return Secret{}
	}
	if s.value == "" {
		o.r.failAt(path, "expected the name of a file, got %s", s.origin())
		return Secret{}
	}
	file := s.value
	if !filepath.IsAbs(file) {
		file = filepath.Join(filepath.Dir(o.r.file), file)
	}
	data, err := o.r.opts.ReadFile(file)
	if err != nil {
		// The name stays unsaid: it may be the secret itself, put here by mistake.
		o.r.failAt(path, "cannot read the file that stands here: %s (relative names start at %q)", cause(err), filepath.Dir(o.r.file))
		return Secret{}
	}
	return o.checkSecret(strings.TrimRight(string(data), "\r\n"), path, want, "the file "+s.origin())
}

// cause returns why a file cannot be read, without the name of the file.
func cause(err error) string {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return pathError.Err.Error()
	}
	return "it cannot be opened"
}

func (o *object) checkSecret(value, path, want, origin string) Secret {
	switch {
	case strings.TrimSpace(value) == "":
		o.r.failAt(path, "expected %s, but %s is empty", want, origin)
		return Secret{}
	case strings.TrimSpace(value) != value:
		o.r.failAt(path, "expected %s, but %s begins or ends with white space", want, origin)
		return Secret{}
	case strings.ContainsFunc(value, unicode.IsControl):
		o.r.failAt(path, "expected %s in one line, but %s holds a line break or another control character", want, origin)
		return Secret{}
	}
	return NewSecret(value)
}

// strongSecret reads a secret that nobody may guess. It returns the path of the
// key that the secret came from.
func (o *object) strongSecret(key, want string) (Secret, string) {
	s, path := o.secretOrPublic(key, want, func(string) bool { return false })
	const remedy = "make a random one, for instance with: openssl rand -hex 32"
	switch length := len(s.Reveal()); {
	case s.IsZero():
	case length < webhook.MinSecret:
		o.r.failAt(path, "expected a secret of at least %d characters; %s", webhook.MinSecret, remedy)
	case length < weakSecret:
		o.r.warnAt(path, "the secret is shorter than %d characters; %s", weakSecret, remedy)
	}
	return s, path
}
