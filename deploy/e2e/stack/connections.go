package stack

import (
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Connections are the local addresses of the process's TCP connections over IPv4, as who
// it is connected to sees them. Freeze it before, so that they stay what they are.
func (p *Process) Connections() (map[string]bool, error) {
	folder := fmt.Sprintf("/proc/%d", p.PID())
	files, err := filepath.Glob(folder + "/fd/*")
	if err != nil {
		return nil, err
	}
	own := map[string]bool{}
	for _, file := range files {
		target, _ := os.Readlink(file) // it may be closed by now
		if inode, is := strings.CutPrefix(target, "socket:["); is {
			own[strings.TrimSuffix(inode, "]")] = true
		}
	}
	table, err := os.ReadFile(folder + "/net/tcp")
	if err != nil {
		return nil, err
	}
	connections := map[string]bool{}
	for line := range strings.Lines(string(table)) {
		const local, inode = 1, 9
		columns := strings.Fields(line)
		if len(columns) <= inode || !own[columns[inode]] {
			continue
		}
		address, err := kernelAddress(columns[local])
		if err != nil {
			return nil, err
		}
		connections[address] = true
	}
	return connections, nil
}

// kernelAddress reads an address as the kernel's tables have it: 0100007F:1F90 is
// 127.0.0.1:8080.
func kernelAddress(text string) (string, error) {
	host, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	if err != nil || len(raw) != net.IPv4len {
		return "", fmt.Errorf("%q is no address", text)
	}
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return "", err
	}
	slices.Reverse(raw) // a little-endian machine's
	return net.JoinHostPort(net.IP(raw).String(), strconv.FormatUint(number, 10)), nil
}
