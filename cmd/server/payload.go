package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"regrow/internal/config"
)

// readPayload reads the body of a webhook from a file, or from in when the name is
// "-". The context ends the waiting, though not the reading: nobody can take that
// back.
func readPayload(ctx context.Context, name string, in io.Reader) ([]byte, error) {
	type result struct {
		body []byte
		err  error
	}
	read := make(chan result, 1)
	go func() {
		if name == "-" {
			body, err := readBody("the standard input", in)
			read <- result{body, err}
			return
		}
		body, err := readFile(name)
		read <- result{body, err}
	}()
	select {
	case r := <-read:
		return r.body, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("no longer reading the payload: %w", ctx.Err())
	}
}

func readFile(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, usagef("reading the payload: %v", err)
	}
	defer file.Close()
	return readBody(name, file)
}

// readBody reads no more than one byte above what any source takes.
func readBody(name string, in io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(in, int64(config.LargestBody)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the payload from %s: %w", name, err)
	case len(body) > int(config.LargestBody):
		return nil, codedf(exitRefused, "%s holds more than %d bytes, and no source takes a larger webhook (sources[].max_body)", name, config.LargestBody)
	}
	return body, nil
}
