package config

import (
	"testing"
	"time"
)

func TestSize(t *testing.T) {
	t.Parallel()
	f := size(1, 25_000_000)
	for text, want := range map[string]Size{
		"5MB": 5_000_000, "5 mb": 5_000_000, "512kB": 512_000, "1KiB": 1024, "1.5MiB": 3 << 19, "1B": 1,
		"": 0, "5": 0, "MB": 0, "-1MB": 0, "5GB": 0, "26MB": 0, "0B": 0, "1e3B": 0, "99999999999999999999MB": 0, "5 megabytes": 0,
	} {
		if got, ok := f.parse(text); ok != (want != 0) || ok && got != want {
			t.Errorf("%q: got %d, %t, want %d", text, got, ok, want)
		}
	}
	for s, want := range map[Size]string{0: "0B", 1: "1B", 1000: "1kB", 5_000_000: "5MB", 1024: "1024B"} {
		if s.String() != want {
			t.Errorf("got %s, want %s", s, want)
		}
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	f := duration(time.Second, time.Hour)
	for text, want := range map[string]time.Duration{
		"30m": 30 * time.Minute, "1m30s": 90 * time.Second, "1h": time.Hour, "1s": time.Second,
		"": 0, "30": 0, "30 minutes": 0, "-5m": 0, "2h": 0, "1ms": 0,
	} {
		if got, ok := f.parse(text); ok != (want != 0) || ok && got != want {
			t.Errorf("%q: got %s, %t, want %s", text, got, ok, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "0s", time.Hour: "1h", 90 * time.Minute: "1h30m", time.Minute: "1m", 90 * time.Second: "1m30s", 100 * time.Millisecond: "100ms"} {
		if got := brief(d); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://Octopus.Example.com/":     "https://octopus.example.com",
		"HTTPS://octopus.example.com:443":  "https://octopus.example.com",
		"http://octopus.example.com:443":   "http://octopus.example.com:443",
		"http://[::1]:80/Octopus/":         "http://[::1]/Octopus",
		"http://localhost:8065/app-server": "http://localhost:8065/app-server",
		"":                                 "",
		"octopus.example.com":              "",
		"//octopus.example.com":            "",
		"https://":                         "",
		"https://:443":                     "",
		"ftp://octopus.example.com":        "",
		"https://me@octopus.example.com":   "",
		"https://octopus.example.com?a=b":  "",
		"https://octopus.example.com?":     "",
		"https://octopus.example.com#a":    "",
		"https://octopus.example.com/api":  "",
		"https://octopus.example.com/api/": "",
		"https://octopus.example.com/app":  "",
		"https://o.example.com/app/spaces": "",
	} {
		if got, ok := serverAddress.parse(text); ok != (want != "") || ok && got != want {
			t.Errorf("%q: got %q, %t, want %q", text, got, ok, want)
		}
	}
	for text, want := range map[string]bool{
		"127.0.0.1:8080": true, ":8080": true, "[::1]:0": true, "localhost:http": false, "localhost": false, "": false, ":65536": false, ":-1": false, "::1:80": false,
	} {
		if _, ok := address.parse(text); ok != want {
			t.Errorf("%q: got %t", text, ok)
		}
	}
}
