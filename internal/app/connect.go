package app

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// connectTime bounds the way to one server: where database.url names several,
	// the next one's turn has to come before a sender of webhooks has lost its
	// patience.
	connectTime = 3 * time.Second
	// answerTime is how long the database may be silent after it was asked
	// something. It is longer than anything is waited for, even a lock.
	answerTime = 150 * time.Second
)

// findWay has connections look for another server in time, and notice that the one
// at their end is gone without a word, as when its machine has lost its power.
func findWay(c *pgx.ConnConfig) {
	if c.ConnectTimeout == 0 { // database.url does not say
		c.ConnectTimeout = connectTime
	}
	dialer := &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3},
		Control:         giveUpSoon,
	}
	c.DialFunc = dialer.DialContext
}

// wantAnswers has connections break when what they ask gets no answer. Libraries
// ask without a time limit, River for jobs: a connection that is open and silent
// would hold them up for ever.
func wantAnswers(c *pgx.ConnConfig, patience time.Duration) {
	dial := c.DialFunc
	c.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &askingConn{Conn: conn, patience: patience}, nil
	}
}

// askingConn is a connection on which everything that is written wants an answer.
type askingConn struct {
	net.Conn
	patience time.Duration

	mu sync.Mutex
	// limit is the deadline that its user has set; zero when there is none.
	limit time.Time
}

// Write implements net.Conn. From here on there has to be something to read.
func (c *askingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil {
		return n, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	wanted := time.Now().Add(c.patience)
	if !c.limit.IsZero() && c.limit.Before(wanted) {
		wanted = c.limit
	}
	return n, c.Conn.SetReadDeadline(wanted)
}

// SetReadDeadline implements net.Conn.
func (c *askingConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = t
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *askingConn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = t
	return c.Conn.SetDeadline(t)
}
