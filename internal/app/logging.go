package app

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/rs/zerolog"

	"regrow/internal/config"
)

// NewLogger returns the process's log in the configured form.
func NewLogger(w io.Writer, c config.Log) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(c.Level)
	if err != nil {
		return zerolog.Nop(), fmt.Errorf("log level %q: expected debug, info, warn or error", c.Level)
	}
	if c.Format == config.LogConsole {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly, NoColor: !isTerminal(w)}
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger(), nil
}

// isTerminal tells whether colours would be seen, and are wanted
// (https://no-color.org).
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// slogOver hands a library that wants log/slog the same log, at a level of its
// own: River tells at "info" what only its own developers want to read.
func slogOver(log zerolog.Logger, level zerolog.Level) *slog.Logger {
	return slog.New(zerolog.NewSlogHandler(log.Level(level)))
}
