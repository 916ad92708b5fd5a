package simulator

import (
	_ "embed" // of what Octopus puts before a script
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path"
	"slices"
	"strings"
)

//go:embed bootstrap/bash.sh
var bashFunctions string

//go:embed bootstrap/powershell.ps1
var powershellFunctions string

// shell runs scripts of one language.
type shell struct {
	program   string   // to be found on the PATH
	arguments []string // before the bootstrap file
	extension string   // of the bootstrap file
	// bootstrap defines the variables and hands over to the script in the same folder.
	bootstrap func(scriptName, parameters string, variables map[string]string) string
}

// shellFor chooses by the script's name, as Octopus does.
func shellFor(scriptName string) (shell, error) {
	var chosen shell
	switch extension := strings.ToLower(path.Ext(scriptName)); extension {
	case ".sh":
		chosen = shell{program: "bash", extension: extension, bootstrap: bashBootstrap}
	case ".ps1":
		chosen = shell{program: "pwsh", arguments: []string{"-NoLogo", "-NoProfile", "-NonInteractive", "-File"}, extension: extension, bootstrap: powershellBootstrap}
	default:
		return shell{}, fmt.Errorf("expected a script that ends in .sh or .ps1, got %q", scriptName)
	}
	if _, err := exec.LookPath(chosen.program); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return shell{}, fmt.Errorf("%s needs %s, which this machine does not have: install it, or use a script for another shell", scriptName, chosen.program)
		}
		return shell{}, fmt.Errorf("looking for %s: %w", chosen.program, err)
	}
	return chosen, nil
}

// Values go into bootstrap files as base64, so that no quote, newline or dollar sign in them means
// anything to a shell. The script is sourced and its parameters are pasted, as Octopus does.

func bashBootstrap(scriptName, parameters string, variables map[string]string) string {
	var b strings.Builder
	b.WriteString(bashFunctions)
	b.WriteString("\noctopus_variable() {\n  case \"$1\" in\n")
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		fmt.Fprintf(&b, "    '%s') printf '%%s' '%s' | base64 -d ;;\n", encode(name), encode(variables[name]))
	}
	fmt.Fprintf(&b, "  esac\n}\n\nsource %s %s\n", bashQuote("./"+scriptName), parameters)
	return b.String()
}

// bashQuote makes one word of any text.
func bashQuote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

func powershellBootstrap(scriptName, parameters string, variables map[string]string) string {
	var b strings.Builder
	b.WriteString(powershellFunctions)
	b.WriteString("\n")
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		fmt.Fprintf(&b, "$OctopusParameters[(ConvertFrom-OctopusText '%s')] = ConvertFrom-OctopusText '%s'\n", encode(name), encode(variables[name]))
	}
	fmt.Fprintf(&b, "\n. '%s' %s\nif (Test-Path variable:global:LASTEXITCODE) { exit $LASTEXITCODE }\n", strings.ReplaceAll("./"+scriptName, "'", "''"), parameters)
	return b.String()
}

func encode(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
