// Package helloworld carries the scripts of the example's infrastructure
// project as the package that Octopus takes into its built-in feed. README.md
// says what they do and which variables they read.
package helloworld

import (
	"archive/zip"
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"time"
)

// ID and Version name the package in a feed. A feed keeps what it has under a
// version, so scripts that change need a new one.
const (
	ID      = "HelloWorldInfrastructure"
	Version = "1.0.0"
)

// FileName is the name under which to upload the package: Octopus reads id and
// version from it (Octopus docs: package naming).
const FileName = ID + "." + Version + ".zip"

// Shell is a language that the scripts are written in, by the name that a
// script step has for it.
type Shell string

// The shells.
const (
	Bash       Shell = "Bash"
	PowerShell Shell = "PowerShell"
)

// Scripts returns the names of the two scripts for a shell, as they are in the
// package.
func (s Shell) Scripts() (provision, terminate string) {
	if s == PowerShell {
		return "provision.ps1", "terminate.ps1"
	}
	return "provision.sh", "terminate.sh"
}

// The variables that the scripts read from the infrastructure project. Only
// the key, which is sensitive, has to be set.
const (
	VariableAPIKey        = "HelloWorld.ApiKey"
	VariableTargets       = "HelloWorld.Targets"
	VariableRoles         = "HelloWorld.Roles"
	VariableMachinePolicy = "HelloWorld.MachinePolicy"
	VariableAddresses     = "HelloWorld.Addresses"
	VariableThumbprint    = "HelloWorld.Thumbprint"
)

//go:embed *.sh *.ps1
var scripts embed.FS

// packed is the time of all files in the zip, so that the same scripts make the
// same bytes.
var packed = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// Zip returns the package: the same bytes every time, files in the order of
// their names.
func Zip() ([]byte, error) {
	var buffer bytes.Buffer
	archive := zip.NewWriter(&buffer)
	err := fs.WalkDir(scripts, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		return add(archive, name)
	})
	if err != nil {
		return nil, fmt.Errorf("packing %s: %w", FileName, err)
	}
	if err := archive.Close(); err != nil {
		return nil, fmt.Errorf("packing %s: %w", FileName, err)
	}
	return buffer.Bytes(), nil
}

// add stores a script as it is: how well Go compresses changes between its
// versions.
func add(archive *zip.Writer, name string) error {
	content, err := scripts.ReadFile(name)
	if err != nil {
		return err
	}
	header := &zip.FileHeader{Name: name, Method: zip.Store, Modified: packed}
	header.SetMode(0o644)
	if path.Ext(name) == ".sh" {
		header.SetMode(0o755)
	}
	file, err := archive.CreateHeader(header)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return err
}
