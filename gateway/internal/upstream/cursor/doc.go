// Package cursor is the upstream driver for Cursor. The upstream speaks several protocols, of
// which each has a folder here that turns a chat into a call and its frames into events:
// streamchat the older one, agent that of today. What they share stands once: the settings,
// the connections, images, the account behind a token, logins and their renewal here; what
// every request says of who asks in identity; the table of failures in fault.
//
// It knows no API dialect, no token pool and no other driver.
package cursor
