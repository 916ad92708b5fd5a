package config_test

import (
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
	}[name]
	return value, ok
}
