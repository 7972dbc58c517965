# What is known of Debian where images are made of its packages. Sourced.

as_root() {
    if ((EUID == 0)); then "$@"; else sudo -n "$@"; fi
}

# Mirror and suite of this machine's apt, as "<address> <suite>".
apt_source() {
    local codename
    codename=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
    if [[ -n ${CAROUSEL_DEBIAN_MIRROR:-} ]]; then
        printf '%s %s\n' "$CAROUSEL_DEBIAN_MIRROR" "$codename"
        return
    fi
    # shellcheck disable=SC2016 # $(…) is apt's own notation here
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
        awk -v want="$codename" '$4 == "main" && ($2 == want || $3 == want) && !found { print $1, want; found = 1 }'
}
