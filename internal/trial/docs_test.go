package trial

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// docs/reliability.md names the tests that try each promise. They have to exist.
func TestReliabilityNamesTestsThatExist(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../docs/reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(string(document), -1)
	if len(names) < 20 {
		t.Fatalf("only %d tests are named", len(names))
	}
	found, err := exec.CommandContext(t.Context(), "grep", "-rhoE", `^func Test[A-Za-z0-9]+\(`, "../..", "--include=*_test.go").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.Contains(string(found), "func "+name[1]+"(") {
			t.Errorf("there is no test %s", name[1])
		}
	}
}
