//go:build !unix

package spool

import (
	"errors"
	"os"
)

// lockFolder fails: without locks nobody could tell whether an owner lives.
func lockFolder(string) (*os.File, error) {
	return nil, errors.New("this system has no file locks")
}
