package config_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/goccy/go-yaml"

	"regrow/internal/config"
)

// What docker-compose.yml brings is what its configuration asks for.
func TestComposeConfiguration(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var compose struct {
		Services map[string]struct{ Environment map[string]string }
	}
	if err := yaml.Unmarshal(text, &compose); err != nil {
		t.Fatal(err)
	}
	environment := compose.Services["regrow"].Environment
	withDefault := regexp.MustCompile(`\$\{\w+:-([^}]*)\}`)
	lookup := func(name string) (string, bool) {
		value, ok := environment[name]
		return withDefault.ReplaceAllString(value, "$1"), ok
	}
	c, err := config.Load("../../deploy/compose/regrow.yaml", config.Options{LookupEnv: lookup})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Pipelines) != 1 || c.Pipelines[0].Server.URL != "http://simulator:8065" {
		t.Errorf("the pipelines are %+v", c.Pipelines)
	}
}
