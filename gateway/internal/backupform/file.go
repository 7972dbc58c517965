package backupform

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// Bounds of passphrases.
const (
	LeastPassphrase = 12  // characters
	mostPassphrase  = 512 // bytes
)

// MaxFile bounds the file of a backup that is restored, in bytes.
const MaxFile = 136 << 20

// CheckPassphrase refuses what is too weak or too long to seal a backup with. It never repeats it.
func CheckPassphrase(passphrase string) error {
	switch {
	case utf8.RuneCountInString(passphrase) < LeastPassphrase:
		return fmt.Errorf("at least %d characters wanted: who has the file can try passphrases for as long as he likes", LeastPassphrase)
	case len(passphrase) > mostPassphrase:
		return fmt.Errorf("at most %d bytes wanted", mostPassphrase)
	case !utf8.ValidString(passphrase):
		return errors.New("it is not valid UTF-8")
	default:
		return nil
	}
}

// FileName is that of a backup made at a time.
func FileName(at time.Time) string {
	return "carousel-" + at.UTC().Format("20060102T150405Z") + ".backup.age"
}
