// Runs before the first paint, so that a dark page never flashes white. A file of its own: the content security policy
// allows no inline script.
(() => {
  let chosen = 'auto';
  try {
    chosen = localStorage.getItem('whydunit.scheme') || 'auto';
  } catch {
    // Storage is switched off: follow the system.
  }
  const dark = chosen === 'dark' || (chosen === 'auto' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.setAttribute('data-mantine-color-scheme', dark ? 'dark' : 'light');
})();
