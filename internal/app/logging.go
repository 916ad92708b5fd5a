package app

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/rs/zerolog"
	slogzerolog "github.com/samber/slog-zerolog/v2"

	"regrow/internal/config"
)

// NewLogger returns the process's log in the configured form.
func NewLogger(w io.Writer, c config.Log) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(c.Level)
	if err != nil {
		return zerolog.Nop(), fmt.Errorf("log level %q: expected debug, info, warn or error", c.Level)
	}
	if c.Format == config.LogConsole {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: time.TimeOnly}
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger(), nil
}

// slogOver hands a library that wants log/slog the same log, at a level of its
// own: River tells at "info" what only its own developers want to read.
func slogOver(log zerolog.Logger, level slog.Level) *slog.Logger {
	return slog.New(slogzerolog.Option{Level: level, Logger: &log}.NewZerologHandler())
}
