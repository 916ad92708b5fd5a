package config

import (
	"fmt"
	"os"
)

// Options say how a file is read. The zero value is what production wants.
type Options struct {
	// Development allows a file without a database address and without API
	// tokens.
	Development bool
	// LookupEnv finds environment variables; nil means os.LookupEnv.
	LookupEnv func(name string) (string, bool)
	// ReadFile reads what keys such as token_file name; nil means os.ReadFile.
	// Relative names are made relative to the folder of the configuration file.
	ReadFile func(name string) ([]byte, error)
}

// Load reads and checks the file at path. The error is of type Problems when
// the file could be read and something in it is wrong.
func Load(path string, opts Options) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return Parse(path, data, opts)
}

// Parse reads and checks data as Load does; name stands for the file in
// problems. The error is of type Problems and names every problem.
func Parse(name string, data []byte, opts Options) (*Config, error) {
	if opts.LookupEnv == nil {
		opts.LookupEnv = os.LookupEnv
	}
	if opts.ReadFile == nil {
		opts.ReadFile = os.ReadFile
	}
	r := &reader{file: name, opts: opts, places: map[string]place{}}
	root, ok := r.parse(data)
	if !ok {
		return nil, r.problems
	}
	c := r.config(root)
	r.check(c)
	if len(r.problems) > 0 {
		r.problems.sort()
		return nil, r.problems
	}
	r.warnings.sort()
	c.Warnings = r.warnings
	return c, nil
}
