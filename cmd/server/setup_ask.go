package main

import (
	"bufio"
	"context"
	"io"
	"strings"
)

// readAnswer reads one line from a person, in lower case. The end of the input is
// an empty answer. The context ends the waiting, though not the reading: nobody
// can take that back.
func readAnswer(ctx context.Context, in io.Reader) (string, error) {
	read := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n') // what came before an error is the answer
		read <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case line := <-read:
		return line, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
