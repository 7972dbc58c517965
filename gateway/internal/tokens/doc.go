// Package tokens is the gateway's side of the tokenstore: leases over one
// session, the watched configuration, and the shipping of log entries. It turns
// the store's errors into the gateway's. It knows no dialect and no provider.
package tokens
