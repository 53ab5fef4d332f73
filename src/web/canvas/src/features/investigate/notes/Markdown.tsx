import ReactMarkdown from 'react-markdown';
import remarkGfm from 'remark-gfm';

/** Markdown without raw HTML; links leave in a new tab and take nothing along. No pictures from elsewhere. */
export default function Markdown({ text }: { text: string }) {
  return (
    <ReactMarkdown remarkPlugins={[remarkGfm]} skipHtml disallowedElements={['img']} unwrapDisallowed
      components={{ a: ({ href, children }) => <a href={href} className="link" target="_blank" rel="noreferrer noopener">{children}</a> }}>
      {text}
    </ReactMarkdown>
  );
}
