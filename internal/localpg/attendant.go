//go:build unix

package localpg

import (
	"errors"
	"os"
)

// Attendant is a program that runs beside a server, such as a pooler before it.
type Attendant struct {
	dir  string
	proc *postmaster
}

// Attend starts a program beside a private server: as the account of servers,
// which can reach their sockets, and in a directory of its own, dir, which is
// given to that account and removed in the end. It writes to log and does not
// outlive this process.
func Attend(dir string, log *os.File, command ...string) (*Attendant, error) {
	owner, err := serverAccount()
	if err != nil {
		return nil, err
	}
	if err := owner.own(dir); err != nil {
		return nil, err
	}
	proc, err := startGuarded(guarded{signal: "KILL", root: dir, owner: owner, dir: dir, log: log, command: command})
	if err != nil {
		return nil, err
	}
	return &Attendant{dir, proc}, nil
}

// Done is closed when the program has ended.
func (a *Attendant) Done() <-chan struct{} { return a.proc.done }

// Stop ends the program at once and removes its directory.
func (a *Attendant) Stop() error {
	err := a.proc.process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	if err == nil {
		<-a.proc.done
	}
	return errors.Join(err, os.RemoveAll(a.dir))
}
