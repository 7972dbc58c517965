package embeddedredis

import "syscall"

// childAttributes end the child when its parent dies, however that dies, and
// keep a terminal's Ctrl-C for the parent, which stops the child last.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
}
