package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"regrow/internal/store"
)

func newMigrate(s *streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database schema up to date, or look at it",
		Long:  "Bring the schema of the configured database up to date, regrow's tables and River's, or look at it.",
		Example: `  regrow migrate status
  regrow migrate up`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(
		migrateCommand("up", "Apply the migrations that the database lacks", func(ctx context.Context, pool *pgxpool.Pool) error {
			applied, err := store.Migrate(ctx, pool)
			for _, migration := range applied {
				fmt.Fprintln(s.Out, "applied", migration.Name)
			}
			if err == nil && len(applied) == 0 {
				fmt.Fprintln(s.Out, "The schema is up to date.")
			}
			return err
		}),
		migrateCommand("status", "List the migrations and which of them the database has", func(ctx context.Context, pool *pgxpool.Pool) error {
			list, err := store.Migrations(ctx, pool)
			for _, migration := range list {
				state := "missing"
				if migration.Applied {
					state = "applied"
				}
				fmt.Fprintf(s.Out, "%-8s %s\n", state, migration.Name)
			}
			return err
		}),
	)
	return cmd
}

func migrateCommand(name, short string, do func(context.Context, *pgxpool.Pool) error) *cobra.Command {
	var (
		file configFile
		url  string
	)
	cmd := &cobra.Command{
		Use: name, Short: short, Long: short + ".",
		Example: fmt.Sprintf("  regrow migrate %s\n  regrow migrate %s --database-url postgres://localhost/regrow", name, name),
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// Not the flag's default: --help would show its password.
			url = cmp.Or(url, os.Getenv("REGROW_DATABASE_URL"))
			if url == "" {
				loaded, err := file.load(true)
				if err != nil {
					return err
				}
				url = loaded.Database.URL.Reveal()
			}
			if url == "" {
				return errors.New("no database is configured: set database.url in the configuration or give --database-url")
			}
			pool, err := openPool(cmd.Context(), url, 0)
			if err != nil {
				return err
			}
			defer pool.Close()
			return do(cmd.Context(), pool)
		},
	}
	file.register(cmd)
	cmd.Flags().StringVar(&url, "database-url", "", "database instead of the configuration's (REGROW_DATABASE_URL)")
	return cmd
}
