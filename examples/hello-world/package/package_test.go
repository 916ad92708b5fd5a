package helloworld_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	helloworld "regrow/examples/hello-world/package"
)

// contentOf is what each version of the package holds. Who changes a script adds
// a line for a new version: feeds do not take other content under an old one.
var contentOf = map[string]string{
	"1.0.0": "3c90048a92d87aeecd633644f1fd7bc61ed90f6ff2f66f5ef99b9e54f93306d7",
}

func TestChangedScriptsHaveANewVersion(t *testing.T) {
	t.Parallel()
	digest := sha256.New()
	for _, file := range unzip(t).File {
		content := read(t, file)
		for _, part := range []string{file.Name, file.Mode().String(), content} {
			digest.Write([]byte(part))
			digest.Write([]byte{0})
		}
	}
	sum := hex.EncodeToString(digest.Sum(nil))
	if contentOf[helloworld.Version] != sum {
		t.Errorf("the scripts of version %s have the sum %s, want %q: raise Version and add it to contentOf",
			helloworld.Version, sum, contentOf[helloworld.Version])
	}
}

func TestPackage(t *testing.T) {
	t.Parallel()
	if helloworld.FileName != "HelloWorldInfrastructure."+helloworld.Version+".zip" {
		t.Errorf("the file's name is %s", helloworld.FileName)
	}
	first, err := helloworld.Zip()
	if err != nil {
		t.Fatal(err)
	}
	second, err := helloworld.Zip()
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("packing twice gives different bytes (%v)", err)
	}
	var names []string
	for _, file := range unzip(t).File {
		names = append(names, file.Name)
		onDisk, err := os.ReadFile(file.Name)
		if err != nil || string(onDisk) != read(t, file) {
			t.Errorf("%s in the package differs from the file (%v)", file.Name, err)
		}
		if executable := file.Mode()&0o111 != 0; executable != strings.HasSuffix(file.Name, ".sh") {
			t.Errorf("%s has the mode %v", file.Name, file.Mode())
		}
	}
	if !slices.IsSorted(names) {
		t.Errorf("the files are not in order: %q", names)
	}
	for _, shell := range []helloworld.Shell{helloworld.Bash, helloworld.PowerShell} {
		provision, terminate := shell.Scripts()
		if !slices.Contains(names, provision) || !slices.Contains(names, terminate) {
			t.Errorf("%s scripts %s and %s are not in the package, which has %q", shell, provision, terminate, names)
		}
	}
}

// Both shells read the variables that the package tells of, and README.md tells
// of all that they read.
func TestVariables(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{".sh": "", ".ps1": ""}
	for _, file := range unzip(t).File {
		texts[filepath.Ext(file.Name)] += read(t, file)
	}
	for _, variable := range []string{
		helloworld.VariableAPIKey, helloworld.VariableTargets, helloworld.VariableRoles,
		helloworld.VariableMachinePolicy, helloworld.VariableAddresses, helloworld.VariableThumbprint,
		"Octopus.Web.ServerUri", "Octopus.Space.Id", "Octopus.Environment.Id", "Octopus.Deployment.Id",
		"Octopus.Deployment.Tenant.Id", "Octopus.Machine.Id", "Octopus.Machine.Name",
	} {
		if !strings.Contains(string(readme), "`"+variable+"`") {
			t.Errorf("README.md does not tell of %s", variable)
		}
		for extension, text := range texts {
			if !strings.Contains(text, variable) {
				t.Errorf("no *%s reads %s", extension, variable)
			}
		}
	}
}

func TestShellcheck(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"*.sh", "../../../scripts/*", "../../../.ci/run"} {
		scripts, err := filepath.Glob(pattern)
		if err != nil || len(scripts) == 0 {
			t.Fatalf("there is nothing like %s (%v)", pattern, err)
		}
		options := []string{"--external-sources", "--source-path=SCRIPTDIR"}
		output, err := exec.CommandContext(t.Context(), "shellcheck", append(options, scripts...)...).CombinedOutput()
		if err != nil {
			t.Errorf("shellcheck (make bootstrap-test installs it): %v\n%s", err, output)
		}
	}
}

func unzip(t *testing.T) *zip.Reader {
	t.Helper()
	content, err := helloworld.Zip()
	if err != nil {
		t.Fatal(err)
	}
	reader, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	return reader
}

func read(t *testing.T, file *zip.File) string {
	t.Helper()
	reader, err := file.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	content, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
