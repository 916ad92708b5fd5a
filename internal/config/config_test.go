package config_test

import (
	"errors"
	"regexp"
	"testing"

	"regrow/internal/config"
)

// TestExample loads the example that ships.
func TestExample(t *testing.T) {
	t.Parallel()
	c, err := config.Load("../../regrow.example.yaml", config.Options{LookupEnv: testEnvironment})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %v", c.Warnings)
	}
	if len(c.Pipelines) != 2 || c.Pipelines[0].Server.URL != "https://octopus.example.com" || c.Pipelines[1].Cleanup.Minimum != 4 {
		t.Errorf("pipelines: %+v", c.Pipelines)
	}
}

func testEnvironment(name string) (string, bool) {
	value, ok := map[string]string{
		"REGROW_DATABASE_URL":    "postgres://regrow:database-password@db.example.com/regrow",
		"REGROW_OPERATOR_TOKEN":  "operator-token-0123456789",
		"REGROW_VIEWER_TOKEN":    "viewer-token-0123456789",
		"OCTOPUS_API_KEY":        "API-0123456789ABCDEF",
		"GITHUB_WEBHOOK_SECRET":  "github-secret-0123456789",
		"BUILD_WEBHOOK_SECRET":   "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz",
		"OCTOPUS_WEBHOOK_SECRET": "octopus-secret-0123456789",
		"EMPTY":                  "",
		"LOG_LEVEL":              "debug",
		"ENVIRONMENT":            "Development",
		"REPOSITORY":             "shop",
	}[name]
	return value, ok
}

// listIndex is the place in a list that a path holds, such as "[0]".
var listIndex = regexp.MustCompile(`\[[0-9]+\]`)

// problemsOf parses a wrong file and returns its problems.
func problemsOf(t testing.TB, data []byte) config.Problems {
	t.Helper()
	_, err := config.Parse("testdata/valid/x.yaml", data, config.Options{LookupEnv: testEnvironment})
	problems, ok := errors.AsType[config.Problems](err)
	if !ok {
		t.Fatalf("expected Problems, got %T: %v", err, err)
	}
	return problems
}
