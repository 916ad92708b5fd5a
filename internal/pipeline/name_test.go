package pipeline_test

import (
	"testing"

	"regrow/internal/pipeline"
)

func TestNames(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ got, want bool }{
		"capitals":         {pipeline.SameName("Hello World", "hello world"), true},
		"white space":      {pipeline.SameName(" Hello World\n", "Hello World"), true},
		"space within":     {pipeline.SameName("Hello  World", "Hello World"), false},
		"beyond ASCII":     {pipeline.SameName("ZÜRICH", "Zürich"), true},
		"others":           {pipeline.SameName("web-1", "web-2"), false},
		"among":            {pipeline.HasName([]string{"db", "Web"}, "web"), true},
		"among none":       {pipeline.HasName(nil, "web"), false},
		"all among":        {pipeline.HasNames([]string{"db", "Web"}, []string{"WEB", "db"}), true},
		"one is not among": {pipeline.HasNames([]string{"db"}, []string{"db", "web"}), false},
		"no names":         {pipeline.HasNames(nil, nil), true},
		"one in both":      {pipeline.ShareName([]string{"db", "Web"}, []string{"web", "cache"}), true},
		"none in both":     {pipeline.ShareName([]string{"db"}, []string{"web"}), false},
		"nothing in both":  {pipeline.ShareName(nil, nil), false},
	} {
		if test.got != test.want {
			t.Errorf("%s: %t", name, test.got)
		}
	}
}
