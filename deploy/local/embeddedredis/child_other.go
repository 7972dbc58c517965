//go:build !linux

package embeddedredis

import "syscall"

func childAttributes() *syscall.SysProcAttr { return nil }
