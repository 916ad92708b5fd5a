package config_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/rs/zerolog"

	"regrow/internal/config"
)

// TestSecretIsNeverPrinted prints a secret in every way that comes to mind,
// also where no method of it is called: in an unexported field.
func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	const hidden = "correct-horse-battery-staple"
	type outer struct {
		Exported config.Secret
		private  config.Secret
		Pointer  *config.Secret
	}
	secret := config.NewSecret(hidden)
	value := outer{secret, secret, &secret}

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%T %[1]v"} {
		fmt.Fprintf(&out, verb+"\n", secret)
		fmt.Fprintf(&out, verb+"\n", value)
		fmt.Fprintf(&out, verb+"\n", &value)
		fmt.Fprintf(&out, verb+"\n", map[string]config.Secret{"key": secret})
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("text", "secret", secret, "value", value)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "secret", secret, "value", value)
	log := zerolog.New(&out)
	log.Info().Any("secret", secret).Interface("value", value).Stringer("stringer", secret).Send()
	for _, marshal := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal, xml.Marshal} {
		text, err := marshal(secret)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "[redacted]") {
			t.Errorf("expected [redacted], got %s", text)
		}
		out.Write(text)
	}
	for _, form := range []string{hidden, fmt.Sprintf("%x", hidden), fmt.Sprintf("%X", hidden)} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the secret was printed:\n%s", out.String())
		}
	}
	if secret.Reveal() != hidden || secret.IsZero() {
		t.Error("Reveal does not return the secret")
	}
	if fmt.Sprintf("%d", secret) != "[redacted]" || fmt.Sprintf("%#v", secret) != "[redacted]" {
		t.Error("expected [redacted] for every verb")
	}
}

func TestZeroSecret(t *testing.T) {
	t.Parallel()
	for _, secret := range []config.Secret{{}, config.NewSecret("")} {
		if !secret.IsZero() || secret.Reveal() != "" || secret.String() != "[redacted]" {
			t.Errorf("expected the absent secret, got %q", secret.Reveal())
		}
	}
}
