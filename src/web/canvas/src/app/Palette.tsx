import { Spotlight, spotlight, type SpotlightActionData } from '@mantine/spotlight';
import '@mantine/core/styles/Input.css';
import '@mantine/spotlight/styles.css';
import { useEffect } from 'react';
import { useActionGroups } from '../ui/actions';
import { Kbd } from '../ui/Kbd';
import { setOverlay } from '../ui/overlays';

/** Every action of the registry by name. */
export default function Palette() {
  const groups = useActionGroups();
  useEffect(() => {
    spotlight.open();
    return spotlight.close;
  }, []);
  const actions: SpotlightActionData[] = groups.flatMap(({ actions }) =>
    actions.filter(({ quiet }) => !quiet).map(({ id, title, keys, run }) => ({
      id, label: title, onClick: () => {
        setOverlay(null);
        run();
      }, rightSection: keys?.[0] ? <Kbd keys={keys[0]} /> : undefined,
    })),
  );
  return (
    <Spotlight actions={actions} shortcut={null} nothingFound="No action of this name here" highlightQuery scrollable maxHeight={420}
      lockScroll={false} attributes={{ content: { 'aria-label': 'Search or run' } }} transitionProps={{ duration: 0 }} onSpotlightClose={() => setOverlay(null)}
      searchProps={{ placeholder: 'What to do', 'aria-label': 'Search actions' }} />
  );
}
