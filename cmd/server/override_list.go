package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"regrow/internal/octopus"
)

// listedOverride is an override as list shows it.
type listedOverride struct {
	Octopus     string `json:"octopus"`
	Project     string `json:"project"`
	Environment string `json:"environment"`
	Tenant      string `json:"tenant,omitempty"`
	Release     string `json:"release"`
	ReleaseID   string `json:"release_id"`
}

func newOverrideList(s *streams) *cobra.Command {
	var (
		p      place
		output outputFlag
	)
	cmd := &cobra.Command{
		Use:   "list [--pipeline NAME | --project NAME]",
		Short: "List the overrides that stand",
		Long: `List the auto-deploy overrides of a project, or of the application projects of all
pipelines. --environment and --tenant narrow the list.

` + overrideCodes,
		Example: `  regrow override list
  regrow override list --project "Hello World" --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			asJSON, err := output.isJSON()
			if err != nil {
				return err
			}
			list, err := listOverrides(cmd.Context(), s, p)
			switch {
			case err != nil:
				return err
			case asJSON:
				return printJSON(s.Out, list)
			}
			return showOverrides(s, list)
		},
	}
	p.register(cmd)
	output.register(cmd)
	return cmd
}

// listOverrides lists those of one project, or of all that pipelines deploy.
func listOverrides(ctx context.Context, s *streams, p place) ([]listedOverride, error) {
	if p.pipeline == "" && p.project == "" {
		return listAllOverrides(ctx, s, p)
	}
	list, _, err := p.list(ctx, s)
	return list, err
}

// listAllOverrides lists those of all projects that pipelines deploy. An
// environment and a tenant need not be on every server, but on one of them.
func listAllOverrides(ctx context.Context, s *streams, p place) ([]listedOverride, error) {
	loaded, err := p.file.load(true)
	if err != nil {
		return nil, err
	}
	if p.server != "" {
		if _, err := p.named(loaded); err != nil {
			return nil, err
		}
	}
	list, seen, known := []listedOverride{}, []place{}, nameByID{}
	for _, line := range loaded.Pipelines {
		of := place{file: p.file, server: line.Server.Name, project: line.Application.Project}
		if slices.Contains(seen, of) || p.server != "" && p.server != of.server {
			continue
		}
		seen = append(seen, of)
		found, names, err := of.list(ctx, s)
		if err != nil {
			return nil, err
		}
		for id, name := range names {
			known[of.server+"/"+id] = name
		}
		for _, o := range found {
			if p.narrows(o) {
				list = append(list, o)
			}
		}
	}
	for flag, name := range map[string]string{"environment": p.environment, "tenant": p.tenant} {
		if name != "" && len(seen) > 0 && !known.has(name) {
			return nil, codedf(exitRefused, "no %s is named %q on the servers of the pipelines, as far as the users of the API keys see", flag, name)
		}
	}
	return list, nil
}

// narrows tells whether an override is one of the environment and tenant that
// the list is narrowed to.
func (p *place) narrows(o listedOverride) bool {
	return (p.environment == "" || strings.EqualFold(p.environment, o.Environment)) && (p.tenant == "" || strings.EqualFold(p.tenant, o.Tenant))
}

// list lists the overrides of the place's project, and tells the names that its
// server has for environments and tenants.
func (p *place) list(ctx context.Context, s *streams) (list []listedOverride, names nameByID, err error) {
	at, err := p.open(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	err = octopus.Retry(ctx, tries, func(ctx context.Context) error {
		list, names, err = at.overrides(ctx)
		return err
	})
	return list, names, err
}

// overrides are those of the place's project, with names instead of ids.
func (at *located) overrides(ctx context.Context) ([]listedOverride, nameByID, error) {
	all, err := at.client.Overrides(ctx, at.project.ID)
	if err != nil {
		return nil, nil, err
	}
	names, err := at.names(ctx)
	if err != nil {
		return nil, nil, err
	}
	list := []listedOverride{}
	for _, o := range all {
		if at.environment.ID != "" && !strings.EqualFold(o.EnvironmentID, at.environment.ID) || at.tenant.ID != "" && !strings.EqualFold(o.TenantID, at.tenant.ID) {
			continue
		}
		version, err := versionOf(ctx, at.client, o.ReleaseID)
		if err != nil {
			return nil, nil, err
		}
		list = append(list, listedOverride{
			Octopus: at.server.Name, Project: at.project.Name, Environment: names.of(o.EnvironmentID), Tenant: names.of(o.TenantID),
			Release: version, ReleaseID: o.ReleaseID,
		})
	}
	return list, names, nil
}

// nameByID tells the names of environments and tenants.
type nameByID map[string]string

func (n nameByID) of(id string) string {
	if name, ok := n[strings.ToLower(id)]; ok {
		return name
	}
	return id
}

func (n nameByID) has(name string) bool {
	for _, known := range n {
		if strings.EqualFold(known, name) {
			return true
		}
	}
	return false
}

func (at *located) names(ctx context.Context) (nameByID, error) {
	names := nameByID{}
	for _, k := range []octopus.Collection{octopus.Environments, octopus.Tenants} {
		all, err := at.client.Documents(ctx, k)
		if err != nil && octopus.Missing(err) == "" { // ids do, where names may not be seen
			return nil, err
		}
		for _, d := range all {
			names[strings.ToLower(d.ID())] = d.Name()
		}
	}
	return names, nil
}

func showOverrides(s *streams, list []listedOverride) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(s.Out, "No override stands.")
		return err
	}
	table := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "OCTOPUS\tPROJECT\tENVIRONMENT\tTENANT\tRELEASE")
	for _, o := range list {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", o.Octopus, o.Project, o.Environment, o.Tenant, o.Release)
	}
	return table.Flush()
}
