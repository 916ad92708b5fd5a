package config

import (
	"fmt"
	"math"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// format is a way to write a value as text.
type format[T any] struct {
	// want completes "expected …".
	want string
	// words are the known values, where there are few.
	words []string
	parse func(string) (T, bool)
}

// choice is a word out of few.
func choice[T ~string](words ...T) format[T] {
	names := make([]string, len(words))
	for i, word := range words {
		names[i] = string(word)
	}
	return format[T]{want: anyOf(names), words: names, parse: func(text string) (T, bool) {
		for _, word := range words {
			if string(word) == text {
				return word, true
			}
		}
		return "", false
	}}
}

// duration is a time such as "30m", from least to most.
func duration(least, most time.Duration) format[time.Duration] {
	want := fmt.Sprintf("a duration such as 30s, 15m or 1h30m, from %s to %s", brief(least), brief(most))
	return format[time.Duration]{want: want, parse: func(text string) (time.Duration, bool) {
		d, err := time.ParseDuration(text)
		return d, err == nil && d >= least && d <= most
	}}
}

// brief writes a duration without the zero parts: "1h" and not "1h0m0s".
func brief(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// Size is a number of bytes.
type Size int64

// String returns the size in the largest decimal unit that divides it.
func (s Size) String() string {
	switch {
	case s != 0 && s%1_000_000 == 0:
		return fmt.Sprintf("%dMB", s/1_000_000)
	case s != 0 && s%1000 == 0:
		return fmt.Sprintf("%dkB", s/1000)
	}
	return fmt.Sprintf("%dB", s)
}

var (
	sizePattern = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]+)$`)
	sizeUnits   = map[string]float64{"b": 1, "kb": 1e3, "mb": 1e6, "kib": 1 << 10, "mib": 1 << 20}
)

// size is a number of bytes such as "5MB", from least to most.
func size(least, most Size) format[Size] {
	want := fmt.Sprintf("a size such as 5MB, 512kB or 1MiB, from %s to %s", least, most)
	return format[Size]{want: want, parse: func(text string) (Size, bool) {
		match := sizePattern.FindStringSubmatch(text)
		if match == nil {
			return 0, false
		}
		number, err := strconv.ParseFloat(match[1], 64)
		unit, known := sizeUnits[strings.ToLower(match[2])]
		s := Size(math.Round(min(number*unit, math.MaxInt32)))
		return s, err == nil && known && s >= least && s <= most
	}}
}

// address is where a server listens: host and port.
var address = format[string]{
	want: "an address to listen on such as 127.0.0.1:8080 or :8080",
	parse: func(text string) (string, bool) {
		_, port, err := net.SplitHostPort(text)
		if err != nil {
			return "", false
		}
		number, err := strconv.ParseUint(port, 10, 16)
		return text, err == nil && number <= math.MaxUint16
	},
}

// webAddress is an absolute address of a web server. It is kept in lower case
// as far as case means nothing, and without a slash at the end.
var webAddress = format[string]{
	want: "an absolute address such as https://octopus.example.com, without user name, query and fragment",
	parse: func(text string) (string, bool) {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
			return "", false
		}
		if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
			return "", false
		}
		defaultPort := map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
		u.Host = strings.TrimSuffix(strings.ToLower(u.Host), defaultPort)
		return strings.TrimRight(u.String(), "/"), true
	},
}

// serverAddress is the base address of an Octopus Server.
var serverAddress = format[string]{
	want: `the server's base address such as https://octopus.example.com, without "/api" and without "/app"`,
	parse: func(text string) (string, bool) {
		base, ok := webAddress.parse(text)
		return base, ok && !strings.HasSuffix(base, "/api") && !strings.Contains(base+"/", "/app/")
	},
}

// octopusName is a name that Octopus knows something by, and not an id such as
// "Environments-1". Runs exclude each other by name: two pipelines of which one
// writes the id would not know of each other.
func octopusName(thing, idPrefix string) format[string] {
	id := regexp.MustCompile(`^(?i:` + idPrefix + `)-[0-9]+$`)
	return format[string]{
		want:  "the name of the " + thing + " as Octopus shows it, not its id",
		parse: func(text string) (string, bool) { return text, !id.MatchString(strings.TrimSpace(text)) },
	}
}
