/** A password may be typed where nobody on the way can read it: into an encrypted page, or one from this machine. */

export const mayTypeSecrets =
  location.protocol === 'https:' || /^(localhost|127\.[\d.]+|\[::1\])$/.test(location.hostname);

export const secretWords = mayTypeSecrets
  ? 'Entered here, it stands in the configuration file as it is: see to it that only the node can read that file.'
  : 'It cannot be entered here, because this page is not encrypted: give the node listen.tls, or a file or variable.';
