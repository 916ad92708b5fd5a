package main

import (
	"encoding/json"
	"io"

	"github.com/spf13/cobra"
)

// outputFlag is in which form a command answers.
type outputFlag struct{ form string }

func (o *outputFlag) register(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVarP(&o.form, "output", "o", "text", "`form` of answers: text for people or json for programs")
	complete(cmd, "output", "text", "json")
}

// isJSON tells whether the answer is for programs.
func (o *outputFlag) isJSON() (bool, error) {
	switch o.form {
	case "text":
		return false, nil
	case "json":
		return true, nil
	default:
		return false, usagef("--output is text or json, not %q", o.form)
	}
}

// printJSON writes an answer as programs read it.
func printJSON(w io.Writer, answer any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(answer)
}
