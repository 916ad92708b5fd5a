//go:build unix

package trial

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Settle waits until every run has ended. Some process has to be alive for that,
// and nothing may be pushed any more. The error says what has not ended.
func (w *World) Settle(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		var left int
		err := w.Pool.QueryRow(ctx, "select count(*) from runs where ended_at is null").Scan(&left)
		if err == nil && left == 0 {
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("after %s: %w", limit, errors.Join(err, w.unended()))
		}
	}
}

func (w *World) unended() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	rows, err := w.Pool.Query(ctx, `select format('%s#%s is %s in %s: %s (job %s, lease until %s, next look %s)',
		pipeline, number, status, stage, reason, coalesce(job_id::text, 'none') || coalesce(' ' || (select state::text from river_job where id = job_id), ''),
		coalesce(lease_until::text, 'none'), coalesce(next_check_at::text, 'none'))
		from runs where ended_at is null order by lane, queue_position`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return err
		}
		lines = append(lines, line)
	}
	return fmt.Errorf("%d runs have not ended:\n%s", len(lines), strings.Join(lines, "\n"))
}
