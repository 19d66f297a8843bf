# Writes /out/root.tar, a very small Debian taken from the one this runs in: C library, iptables and a shell.

packages='libc6 iptables libxtables12 libip4tc2 libip6tc2 libmnl0 libnfnetlink0 libnetfilter-conntrack3 libnftnl11 netbase'
tools='iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore'
{
    printf '/%s\n' bin sbin lib lib64 usr/bin/busybox
    # Packages name files by the old places, which are links into /usr.
    dpkg -L $packages | sed -E -e '\,^/(\.|s?bin|lib(64)?)$,d' -e 's,^/(s?bin|lib|lib64)/,/usr/\1/,' -e '/share|gconv/d'
    printf '/usr/sbin/%s\n' $tools
    printf '/etc/alternatives/%s\n' $tools
} | tar --create --file=/out/root.tar --no-recursion --files-from=-
