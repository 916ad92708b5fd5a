package app

import (
	"fmt"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unansweredTime is how long what was sent may be without so much as the other
// machine's receipt. The system's own limit is a quarter of an hour.
const unansweredTime = 30 * time.Second

// giveUpSoon sets that limit on a new socket.
func giveUpSoon(network, _ string, socket syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	var refused error
	err := socket.Control(func(fd uintptr) {
		refused = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unansweredTime.Milliseconds()))
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return fmt.Errorf("limiting how long a connection may be without an answer: %w", err)
	}
	return nil
}
