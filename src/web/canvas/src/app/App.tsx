import { MantineProvider, createTheme } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { Component, Suspense, lazy, useEffect, useLayoutEffect, type ReactNode } from 'react';
import { Redirect, Route, Switch, useLocation } from 'wouter';
import { Problem } from '../api/client';
import { followLive } from '../api/live';
import { Triage } from '../features/triage/Triage';
import { listenToKeys, useActions } from '../ui/actions';
import { openKeySheet, openPalette, setOverlay, useOverlay } from '../ui/overlays';
import { Empty, GhostRows } from '../ui/states';
import { Toasts } from '../ui/toasts';
import { KeySheet } from './KeySheet';
import { PersonDialog } from './PersonDialog';
import { PLACES } from './places';
import { Rail } from './Rail';
import { schemeManager, useScheme } from './scheme';

const Investigate = lazy(() => import('../features/investigate/Investigate'));
const Connectors = lazy(() => import('../features/connectors/Connectors'));
const DeadLetters = lazy(() => import('../features/dead-letters/DeadLetters'));
const Told = lazy(() => import('../features/told/Told'));
const Events = lazy(() => import('../features/events/Events'));
const Palette = lazy(() => import('./Palette'));

const theme = createTheme({ fontFamily: 'var(--font)', fontFamilyMonospace: 'var(--mono)', primaryColor: 'indigo', primaryShade: { light: 8, dark: 3 }, respectReducedMotion: true });

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      refetchOnWindowFocus: false,
      // Asking again helps when nobody answered or the server was busy; a refusal stays one.
      retry: (failures, error) => failures < 2 && (!(error instanceof Problem) || error.status === 0 || error.status >= 500),
      retryDelay: (failures) => 400 * 2 ** failures,
    },
  },
});

export function App() {
  useLayoutEffect(listenToKeys, []);
  useEffect(() => followLive(client), []);
  return (
    <QueryClientProvider client={client}>
      {/* No style elements: every variable stands in tokens.css, so that the content security policy stays strict. */}
      <MantineProvider theme={theme} colorSchemeManager={schemeManager} defaultColorScheme="auto" withCssVariables={false} withGlobalClasses={false}>
        <Shell />
      </MantineProvider>
    </QueryClientProvider>
  );
}

function Shell() {
  const [path, go] = useLocation();
  const overlay = useOverlay();
  const { dark, toggle } = useScheme();
  useActions('Everywhere', [
    { id: 'palette', title: 'Search or run', keys: ['mod+k'], quiet: true, run: openPalette },
    { id: 'keys', title: 'Keys', keys: ['?'], run: openKeySheet },
    ...PLACES.map(({ place, title, keys }) => ({ id: `go-${place}`, title: `Go to ${title.toLowerCase()}`, keys: [keys], run: () => go(`/${place}`) })),
    { id: 'scheme', title: dark ? 'Light colours' : 'Dark colours', keys: ['mod+shift+l'], run: toggle },
    { id: 'person', title: 'Your name', keys: ['g p'], run: () => setOverlay('person') },
  ]);
  return (
    <div className="shell">
      <a className="skip" href="#main">To the content</a>
      <Rail />
      <Guard key={path}>
        <Suspense fallback={<main id="main" className="page"><GhostRows /></main>}>
          <Switch>
            <Route path="/"><Redirect to="/investigations" replace /></Route>
            <Route path="/investigations"><Triage /></Route>
            <Route path="/investigations/:id">{({ id }) => <Investigate key={id} id={decode(id)} />}</Route>
            <Route path="/connectors"><Connectors /></Route>
            <Route path="/dead-letters"><DeadLetters /></Route>
            <Route path="/events"><Events /></Route>
            <Route path="/told"><Told /></Route>
            <Route><main id="main" className="page"><Empty title="There is no page here" center page><a className="link" href="/investigations">To the investigations</a></Empty></main></Route>
          </Switch>
        </Suspense>
      </Guard>
      <KeySheet />
      <PersonDialog />
      {overlay === 'palette' && <Suspense><Palette /></Suspense>}
      <Toasts />
    </div>
  );
}

function decode(text: string) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A defect of one screen leaves the others alone. */
class Guard extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state = { error: null as Error | null };
  static getDerivedStateFromError(error: Error) {
    return { error };
  }
  override render() {
    if (!this.state.error) return this.props.children;
    return (
      <main id="main" className="page">
        <Empty title="This screen broke" center page>
          <span>{this.state.error.message}</span>
          <button type="button" className="btn" onClick={() => this.setState({ error: null })}>Draw it again</button>
        </Empty>
      </main>
    );
  }
}
