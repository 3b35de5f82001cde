#!/bin/sh
# A hook: mails what has happened. In the configuration:
#
#   hooks:
#     - name: mail
#       on: [member-deactivated, member-differs, primary-switched, member-activated]
#       run: [/etc/lockstep/hooks/mail.sh, dba@example.com]
#
# The event is on standard input, as JSON in one line. Whoever is slow or fails is only reported: nothing waits for it.
set -eu
event=$(cat)
printf '%s\n' "$event" | mail -s "Lockstep $LOCKSTEP_CLUSTER: $LOCKSTEP_EVENT" "$1"
