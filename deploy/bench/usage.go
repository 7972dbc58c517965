package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of times in /proc: Linux shows hundredths of a second to
// every program.
const tick = time.Second / 100

// cpuTime is what a process and its children, ended ones too, have used.
func cpuTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name, in parentheses, may have spaces.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const utime, cstime = 11, 14 // counted from the state, the field after the name
	if len(fields) <= cstime {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	var sum time.Duration
	for _, field := range fields[utime : cstime+1] {
		ticks, err := strconv.Atoi(field)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(ticks) * tick
	}
	children, err := childrenOf(pid)
	for _, child := range children {
		used, childErr := cpuTime(child)
		if gone(childErr) {
			continue
		}
		sum += used
		err = errors.Join(err, childErr)
	}
	return sum, err
}

// resident is the resident memory of a process and its children, in bytes.
func resident(pid int) (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	sum := 0
	for line := range strings.Lines(string(status)) {
		if value, found := strings.CutPrefix(line, "VmRSS:"); found {
			kilobytes, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
			if err != nil {
				return 0, err
			}
			sum = kilobytes << 10
		}
	}
	children, err := childrenOf(pid)
	for _, child := range children {
		used, childErr := resident(child)
		if gone(childErr) {
			continue
		}
		sum += used
		err = errors.Join(err, childErr)
	}
	return sum, err
}

// gone tells whether the process or thread ended while it was looked at.
func gone(err error) bool { return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) }

// childrenOf answers the children that any of the process's threads has started.
func childrenOf(pid int) ([]int, error) {
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil, err
	}
	var children []int
	for _, path := range lists {
		list, err := os.ReadFile(path)
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, field := range strings.Fields(string(list)) {
			child, err := strconv.Atoi(field)
			if err != nil {
				return nil, err
			}
			children = append(children, child)
		}
	}
	return children, nil
}

// machineTime is the time that all cores have been busy, and in all, since boot.
func machineTime() (busy, all time.Duration, err error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, err
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	fields := strings.Fields(line)
	const idle, iowait, steal = 4, 5, 8 // what comes after counts twice
	if len(fields) <= steal {
		return 0, 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	for i, field := range fields[1 : steal+1] {
		ticks, err := strconv.Atoi(field)
		if err != nil {
			return 0, 0, err
		}
		spent := time.Duration(ticks) * tick
		all += spent
		if i+1 != idle && i+1 != iowait {
			busy += spent
		}
	}
	return busy, all, nil
}
