/* Before anything is painted: the theme that the user chose. */
try {
  const theme = localStorage.getItem('theme');
  if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme;
} catch {
  /* storage is shut: the system's theme is used */
}
